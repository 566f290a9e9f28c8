/** The relay over real restarts, also by SIGKILL: every change that PostgreSQL kept is in the stream. */
import { connect } from 'nats';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outboxSql } from '../../../src/ddl/outbox.ts';
import { runRelay } from '../../../src/relay/relay.ts';
import { asLeastPrivilege, leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { withClient } from '../../../tools/local-services/databases.ts';
import { type PostgresServer, type Server, startNats, startPostgres } from '../../../tools/local-services/index.ts';
import { detect, variantOf } from '../../support/relay/outbox.ts';
import { until } from '../../support/until.ts';

let postgres: PostgresServer;
let nats: Server;
beforeAll(async () => {
  [postgres, nats] = await Promise.all([
    // The servers of other tests may lose commits when they are killed.
    startPostgres({ settings: { synchronous_commit: 'on' } }),
    startNats({ own: true }),
  ]);
  const variant = variantOf("by Better Auth's default names");
  await variant.migrate(postgres.url);
  await asLeastPrivilege(postgres.url, outboxSql(await detect(postgres.url, variant)));
});
afterAll(() => Promise.all([postgres?.stop(), nats?.stop()]));

const change = (burst: string): Promise<unknown> =>
  withClient(postgres.url, (client) =>
    client.query(
      `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
       SELECT id, id, id || '@example.com', true, now(), now() FROM (SELECT $1 || n AS id FROM generate_series(1, 40) n) t`,
      [burst],
    ),
  );
const idsOf = async (sql: string): Promise<readonly string[]> =>
  withClient(postgres.url, async (client) => (await client.query(sql)).rows.map(({ id }) => String(id)));
const drained = () =>
  until('an empty outbox', async () => (await idsOf('SELECT id FROM assent.outbox LIMIT 1')).length === 0, 15_000);

const published = async (): Promise<readonly string[]> => {
  const connection = await connect({ servers: nats.url });
  try {
    const manager = await connection.jetstreamManager();
    const { state } = await manager.streams.info('CHANGES');
    const users: string[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
      const message = await manager.streams.getMessage('CHANGES', { seq });
      // A resync, ahead of a long queue, has no user.
      users.push(...(message.subject === 'c.resync' ? [] : [message.json<{ userId: string }>().userId]));
    }
    return users;
  } finally {
    await connection.close();
  }
};

it('the relay loses no change while NATS and PostgreSQL are killed and restarted', async () => {
  const stopping = new AbortController();
  let faults = 0;
  const running = runRelay(
    {
      ...{
        databaseUrl: leastPrivilegeUrl(postgres.url, 'assent_relay'),
        url: nats.url,
        stream: 'CHANGES',
        mode: 'stream',
        domain: null,
        prefix: 'c',
      },
      ...{ maxAgeMs: 360_000, batchSize: 7, pollMs: 100, ackTimeoutMs: 1_000 },
      observer: {
        state: () => {},
        relayed: () => {},
        fault: () => {
          faults += 1;
        },
      },
    },
    stopping.signal,
  );
  await change('before-');
  await drained();
  await Promise.all([change('beside-'), nats.kill('SIGKILL')]);
  await until('the relay reports that NATS is away', () => faults > 0);
  await change('without-nats-');
  await nats.restart();
  await change('with-nats-');
  await drained();
  const before = faults;
  await postgres.kill('SIGKILL');
  await until('the relay reports that PostgreSQL is away', () => faults > before);
  await postgres.restart();
  await change('with-both-');
  await Promise.all([postgres.restart(), nats.restart()]);
  await change('after-');
  await drained();
  stopping.abort();
  await running;
  const [kept, received] = [await idsOf('SELECT id FROM "user"'), await published()];
  expect(kept).toHaveLength(240);
  expect(kept.filter((id) => !received.includes(id))).toEqual([]);
  // Published again with its id, an event is dropped by JetStream: no event is received twice.
  expect(new Set(received).size).toBe(received.length);
});
