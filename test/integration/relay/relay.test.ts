/** The relay loses no change, whichever server goes away and comes back. */
import { getEventListeners } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, DiscardPolicy, type NatsConnection } from 'nats';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openOutbox } from '../../../src/relay/outbox.ts';
import { type RelayOptions, runRelay } from '../../../src/relay/relay.ts';
import { leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { type Server, startNats } from '../../../tools/local-services/index.ts';
import { startProxy, type TcpProxy, through } from '../../../tools/network/proxy.ts';
import { eventLoopTurn } from '../../support/event-loop.ts';
import { testNats, testStreamName } from '../../support/nats.ts';
import { portOf } from '../../support/port-of.ts';
import { outboxDatabase, variantOf } from '../../support/relay/outbox.ts';
import { until } from '../../support/until.ts';

const { url, prefix, stream } = await testNats();
const { url: ownerUrl, pool, waiting } = await outboxDatabase(variantOf("by Better Auth's default names"));
const relayUrl = leastPrivilegeUrl(ownerUrl, 'assent_relay');

let nats: NatsConnection;
beforeAll(async () => {
  nats = await connect({ servers: url });
});
afterAll(() => nats.close());

interface Relay {
  readonly states: string[];
  readonly faults: string[];
  readonly retries: number[];
  relayed(): number;
  stop(): Promise<void>;
}
const relays: Relay[] = [];
const start = (options: Partial<RelayOptions> = {}): Relay => {
  const stopping = new AbortController();
  const states: string[] = [];
  const faults: string[] = [];
  const retries: number[] = [];
  let count = 0;
  const running = runRelay(
    {
      ...{
        databaseUrl: relayUrl,
        url,
        stream,
        prefix,
        mode: 'stream',
        domain: null,
        maxAgeMs: 360_000,
        batchSize: 10,
        pollMs: 100,
        ackTimeoutMs: 500,
      },
      ...options,
      observer: {
        state: (state) => states.push(state),
        relayed: (more) => {
          count += more;
        },
        fault: (error, retryInMs) => {
          faults.push(String(error));
          retries.push(retryInMs);
        },
      },
    },
    stopping.signal,
  );
  const relay = {
    ...{ states, faults, retries, relayed: () => count },
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
  relays.push(relay);
  return relay;
};
const stopAll = () => Promise.all(relays.splice(0).map((relay) => relay.stop()));
const relaying = (relay: Relay) => until('relaying', () => relay.states.at(-1) === 'relaying');

let next = 0;
/** Commits so many changes, each of another user; returns the users. */
const change = async (count: number): Promise<string[]> => {
  const users = Array.from({ length: count }, (_, index) => `u${String(next + index).padStart(6, '0')}`);
  next += count;
  await pool.query(
    `INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
     SELECT id, id, id || '@example.com', true, now(), now() FROM unnest($1::text[]) WITH ORDINALITY AS t (id, n) ORDER BY n`,
    [users],
  );
  return users;
};
const drained = () => until('an empty outbox', async () => (await waiting()) === 0);
/** Every message of the stream, in its order. */
const published = async (
  from = nats,
  name = stream,
): Promise<{ userId: string | undefined; id: string; subject: string }[]> => {
  const manager = await from.jetstreamManager();
  const { state } = await manager.streams.info(name);
  const messages = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage(name, { seq });
    const { userId, id } = message.json<{ userId?: string; id: string }>();
    expect(message.header.get('Nats-Msg-Id')).toBe(id);
    messages.push({ userId, id, subject: message.subject });
  }
  return messages;
};
/** Without `resync`, which goes ahead of a long queue. */
const usersIn = async (): Promise<string[]> => (await published()).flatMap(({ userId }) => userId ?? []);

afterEach(async () => {
  await stopAll();
  await pool.query('DELETE FROM "user"; DELETE FROM assent.outbox');
  await (await nats.jetstreamManager()).streams.purge(stream).catch(() => {});
});

describe('the relay', () => {
  it('the relay publishes waiting and new changes in order, each once, and empties the outbox', async () => {
    const before = await change(25);
    const relay = start({ pollMs: 60_000 });
    await drained();
    // By notification alone: the next poll is a minute away.
    const after = await change(3);
    await drained();
    expect(await usersIn()).toEqual([...before, ...after]);
    await until('all are counted', () => relay.relayed() === 28);
    expect((await published())[0]?.subject).toBe(`${prefix}.user.updated`);
    expect(relay.faults).toEqual([]);
  });

  it('the relay publishes one resync ahead of a long queue', async () => {
    const users = await change(75);
    const relay = start();
    await drained();
    await until('all are counted', () => relay.relayed() === 75);
    const messages = await published();
    expect(messages.flatMap(({ subject }, index) => (subject.endsWith('.resync') ? [index] : []))).toEqual([40]);
    expect(messages.flatMap(({ userId }) => userId ?? [])).toEqual(users);
  });

  it('the relay reads the oldest change first, wherever its row is stored', async () => {
    await pool.query(`INSERT INTO assent.outbox (id, name, user_id) OVERRIDING SYSTEM VALUE
      VALUES (900005, 'user.updated', 'c'), (900003, 'user.updated', 'a'), (900004, 'user.updated', 'b')`);
    const outbox = await openOutbox(relayUrl, 60_000);
    try {
      expect((await outbox.read(3)).map(({ event }) => event.userId)).toEqual(['a', 'b', 'c']);
    } finally {
      await outbox.close();
    }
  });

  it('the relay polls when no notification comes', async () => {
    await relaying(start());
    await pool.query("INSERT INTO assent.outbox (name, user_id) VALUES ('user.updated', 'unannounced')");
    await drained();
    expect(await usersIn()).toEqual(['unannounced']);
  });

  it('the relay leaves no listener or timer behind after a wait, however it ended', async () => {
    const outbox = await openOutbox(relayUrl, 60_000);
    const stopping = new AbortController();
    const listeners = () => getEventListeners(stopping.signal, 'abort').length;
    try {
      for (let wait = 0; wait < 20; wait += 1) await outbox.changed(0, stopping.signal);
      expect(listeners()).toBe(0);
      const notified = outbox.changed(60_000, stopping.signal);
      expect(listeners()).toBe(1);
      await change(1);
      await notified;
      expect(listeners()).toBe(0);
      await outbox.read(1);
      const stopped = outbox.changed(60_000, stopping.signal);
      // What was read is no news any more.
      await eventLoopTurn();
      expect(listeners()).toBe(1);
      stopping.abort();
      await stopped;
      await outbox.changed(60_000, stopping.signal);
      expect(listeners()).toBe(0);
    } finally {
      await outbox.close();
    }
  });

  it('the relay publishes a change whose transaction commits late', async () => {
    const late = new pg.Client({ connectionString: ownerUrl });
    await late.connect();
    await late.query(`BEGIN; INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
      VALUES ('late', 'x', 'late@example.com', true, now(), now())`);
    await relaying(start());
    const meanwhile = await change(1);
    await drained();
    expect(await usersIn()).toEqual(meanwhile);
    await late.query('COMMIT').finally(() => late.end());
    await until('the late one', async () => (await usersIn()).length === 2);
    expect(await usersIn()).toEqual([...meanwhile, 'late']);
  });

  it('the relay works alone; another relay takes over when it ends', async () => {
    const first = start();
    await relaying(first);
    const second = start();
    await until('the second waits', () => second.states.includes('standby'));
    const users = await change(30);
    await drained();
    expect(second.relayed()).toBe(0);
    await first.stop();
    await relaying(second);
    const more = await change(5);
    await drained();
    expect(await usersIn()).toEqual([...users, ...more]);
  });
});

describe('the relay with a full stream', () => {
  it('the relay with a full stream keeps the rest of a batch with a resync ahead, and publishes it once the stream takes more', async () => {
    const own = testStreamName();
    const manager = await nats.jetstreamManager();
    // Four batches, the resync, and four of the next ten.
    const bounds = { max_msgs: 45, discard: DiscardPolicy.New };
    await manager.streams.add({ name: own.stream, subjects: [`${own.prefix}.>`], ...bounds });
    onTestFinished(async () => void (await manager.streams.delete(own.stream)));
    const users = await change(60);
    const relay = start(own);
    await until('it noticed, and tries again', () => relay.retries.length >= 2);
    expect(await waiting()).toBe(60 - 44);
    expect(relay.relayed()).toBe(44);
    // Four batches got through, then none.
    expect(relay.states).toEqual(['relaying']);
    await manager.streams.update(own.stream, { max_msgs: -1 });
    await drained();
    const arrived = (await published(nats, own.stream)).flatMap(({ userId }) => userId ?? []);
    expect(arrived).toEqual(users);
    // Each wait is twice the one before it.
    expect(relay.retries.slice(0, 2)).toEqual([250, 500]);
    await relay.stop();
  });
});

describe('the relay with another stream that takes the events', () => {
  it('the relay does not count acknowledgements of another stream, and publishes the events again to its own', async () => {
    const own = testStreamName();
    const manager = await nats.jetstreamManager();
    const other = `${own.stream}_OTHER`;
    onTestFinished(async () => {
      await manager.streams.delete(own.stream);
      await manager.streams.delete(other).catch(() => {});
    });
    const relay = start(own);
    await relaying(relay);
    await manager.streams.update(own.stream, { subjects: [`${own.prefix}.none`] });
    await manager.streams.add({ name: other, subjects: [`${own.prefix}.user.*`] });
    const users = await change(2);
    await until('it noticed', () => relay.faults.length > 0);
    expect(await waiting()).toBe(2);
    await manager.streams.delete(other);
    await manager.streams.update(own.stream, { subjects: [`${own.prefix}.>`] });
    await drained();
    expect((await published(nats, own.stream)).map(({ userId }) => userId)).toEqual(users);
    await relay.stop();
  });
});

describe('the relay loses no change when', () => {
  let proxy: TcpProxy;
  afterEach(() => proxy.close());

  it('the relay loses no change when PostgreSQL stops while it works', async () => {
    proxy = await startProxy(portOf(ownerUrl));
    const relay = start({ databaseUrl: through(relayUrl, proxy), batchSize: 3 });
    await relaying(relay);
    const users = [...(await change(40))];
    await until('it has begun', () => relay.relayed() > 0);
    proxy.setMode('refuse');
    proxy.cut();
    users.push(...(await change(10)));
    await until('it noticed', () => relay.faults.length > 0);
    proxy.setMode('pass');
    await drained();
    // What was acknowledged but not removed was published again, and JetStream dropped it by its id.
    expect(await usersIn()).toEqual(users);
  });

  it('another relay takes over without a lost change when the machine of the first one vanishes', async () => {
    proxy = await startProxy(portOf(ownerUrl));
    const first = start({ databaseUrl: through(relayUrl, proxy) });
    await relaying(first);
    const second = start();
    await until('the second waits', () => second.states.includes('standby'));
    // For PostgreSQL its session, which holds the lock, is there as before.
    proxy.setMode('stall');
    const users = await change(3);
    await drained();
    expect(second.relayed()).toBe(3);
    expect(await usersIn()).toEqual(users);
  });

  it('the relay loses no change when the network to PostgreSQL drops every packet', async () => {
    proxy = await startProxy(portOf(ownerUrl));
    const relay = start({ databaseUrl: through(relayUrl, proxy) });
    await relaying(relay);
    proxy.setMode('stall');
    // It asks ten times a second, and waits five for an answer.
    await until('it noticed', () => relay.faults.length > 0, 15_000);
    const users = await change(3);
    proxy.setMode('pass');
    await drained();
    expect(await usersIn()).toEqual(users);
  });

  it('the relay loses no change when an administrator terminates its session in PostgreSQL', async () => {
    proxy = await startProxy(portOf(ownerUrl));
    const relay = start();
    await relaying(relay);
    await pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'assent-relay' AND datname = current_database()",
    );
    await until('it noticed', () => relay.faults.length > 0);
    const users = await change(5);
    await drained();
    expect(await usersIn()).toEqual(users);
  });

  it('the relay loses no change when the network to NATS breaks before and during its work', async () => {
    proxy = await startProxy(portOf(url));
    proxy.setMode('refuse');
    const relay = start({ url: through(url, proxy), batchSize: 3 });
    await until('it noticed', () => relay.faults.length > 0);
    const users = [...(await change(40))];
    expect(await waiting()).toBe(40);
    proxy.setMode('pass');
    await until('it has begun', () => relay.relayed() > 0);
    proxy.cut();
    users.push(...(await change(10)));
    await drained();
    expect((await usersIn()).toSorted()).toEqual(users.toSorted());
  });

  it('the relay loses no change when the stream does not acknowledge: no row is removed before it does', async () => {
    proxy = await startProxy(portOf(url));
    const relay = start({ url: through(url, proxy) });
    await relaying(relay);
    proxy.setMode('stall');
    await change(3);
    await until('it noticed', () => relay.faults.length > 0);
    expect(await waiting()).toBe(3);
    proxy.setMode('pass');
    proxy.cut();
    await drained();
    expect(await usersIn()).toHaveLength(3);
  });
});

describe('the relay and its NATS server', () => {
  const servers: Server[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  it('the relay creates the stream again on a NATS server that comes back empty, and publishes every later change', async () => {
    const own = await startNats({ own: true });
    const proxy = await startProxy(portOf(own.url));
    servers.push(own, { url: '', stop: () => proxy.close() } as Server);
    const relay = start({ url: through(own.url, proxy), stream: 'OWN' });
    await relaying(relay);
    const connection = await connect({ servers: own.url });
    await (await connection.jetstreamManager()).streams.delete('OWN');
    const users = await change(2);
    await drained();
    expect((await published(connection, 'OWN')).map(({ userId }) => userId)).toEqual(users);
    expect(relay.faults.length).toBeGreaterThan(0);
    await connection.close();
    await relay.stop();
  });

  it('the relay without JetStream reports why, keeps changes in the outbox, and publishes them once JetStream answers', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'assent-test-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const file = join(folder, 'nats.conf');
    await writeFile(file, 'debug: false\n');
    const own = await startNats({ jetstream: false, args: ['-c', file] });
    servers.push(own);
    const relay = start({ url: own.url, stream: 'OWN' });
    const users = await change(2);
    await until('it noticed', () => relay.faults.length > 1);
    expect(relay.faults[0]).toContain('JetStream does not answer at this NATS server');
    expect(await waiting()).toBe(2);
    await writeFile(file, `jetstream { store_dir: ${JSON.stringify(folder)} }\n`);
    await own.kill('SIGHUP');
    await drained();
    const connection = await connect({ servers: own.url });
    expect((await published(connection, 'OWN')).map(({ userId }) => userId)).toEqual(users);
    await connection.close();
    await relay.stop();
  });

  it('the relay in core mode publishes to the current subscribers, with JetStream and without', async () => {
    for (const own of [await startNats({ jetstream: false }), await startNats({ own: true })]) {
      servers.push(own);
      const connection = await connect({ servers: own.url });
      const received: string[] = [];
      connection.subscribe('core.>', {
        callback: (_, message) => void received.push(message.json<{ userId: string }>().userId),
      });
      await connection.flush();
      const relay = start({ url: own.url, prefix: 'core', stream: 'OWN', mode: 'core' });
      const users = await change(25);
      await drained();
      await connection.flush();
      expect(received).toEqual(users);
      await until('all are counted', () => relay.relayed() === users.length);
      expect(relay.faults).toEqual([]);
      await relay.stop();
      const info = (await connection.jetstreamManager({ checkAPI: false })).streams.info('OWN');
      await expect(info).rejects.toThrow();
      await connection.close();
    }
  });

  it('the relay in core mode removes no row before the NATS server answers', async () => {
    const own = await startNats({ jetstream: false });
    const proxy = await startProxy(portOf(own.url));
    servers.push(own, { url: '', stop: () => proxy.close() } as Server);
    const relay = start({ url: through(own.url, proxy), mode: 'core' });
    await relaying(relay);
    proxy.setMode('stall');
    await change(3);
    await until('it noticed', () => relay.faults.length > 0);
    expect(await waiting()).toBe(3);
    proxy.setMode('pass');
    proxy.cut();
    await drained();
    await relay.stop();
  });
});
