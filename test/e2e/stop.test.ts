/** A stop and a start again under load: no call fails for a client that retries UNAVAILABLE. */
import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import pg from 'pg';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import { type ServingAssent, spawnAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { freePort } from '../../tools/local-services/ports.ts';
import { startProxy, through } from '../../tools/network/proxy.ts';
import { testDatabase } from '../support/database.ts';
import { portOf } from '../support/port-of.ts';
import type { Answer, ProtocolClient } from '../support/protocol-clients/client.ts';
import { PROTOCOLS } from '../support/protocols.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const pool = new pg.Pool({ connectionString: database.url });
const seed = createSeed(pool);
const [userId, organizationId] = [await seed.user(), await seed.organization()];
await seed.member(userId, organizationId, 'owner');
afterAll(() => pool.end());

const ASK = { userId, organizationId, permission: 'organization:delete' };
const RETRY_MS = 20;

/** Runs work while the table of users is locked. */
const whileLocked = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  const lock = await pool.connect();
  try {
    await lock.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
    return await work();
  } finally {
    await lock.query('COMMIT');
    lock.release();
  }
};
const waitingForLocks = async (): Promise<number> => {
  const waiting = "datname = current_database() AND wait_event_type = 'Lock'";
  return (await pool.query(`SELECT count(*)::int AS n FROM pg_stat_activity WHERE ${waiting}`)).rows[0].n;
};

/** Asks again and again until `stopped`, each time until there is an answer. */
const keepAsking = (client: ProtocolClient, stopped: AbortSignal) => {
  const answers: Answer[] = [];
  const ask = async (): Promise<void> => {
    while (!stopped.aborted) {
      const answer = await client.call('CheckPermission', ASK).catch((error: Error) => error);
      // A connection that is refused is UNAVAILABLE in the words of fetch.
      if (answer instanceof Error || answer.code === 'UNAVAILABLE') await delay(RETRY_MS);
      else answers.push(answer);
    }
  };
  return { answers, ended: ask() };
};

/** `grpc.health.v1` and `/readyz`, as balancers ask. */
const health = async ({ grpcAddress, httpUrl }: ServingAssent): Promise<readonly [number, number]> => {
  const client = new Client(grpcAddress, credentials.createInsecure());
  const asIs = (bytes: Buffer): Buffer => bytes;
  const status = await new Promise<number>((resolve, reject) => {
    const answered = (error: Error | null, bytes?: Buffer) =>
      error === null ? resolve(bytes?.[1] ?? 0) : reject(error);
    client.makeUnaryRequest('/grpc.health.v1.Health/Check', asIs, asIs, Buffer.alloc(0), answered);
  });
  client.close();
  const [response] = await once(get(`${httpUrl}/readyz`, { agent: false }), 'response');
  response.resume();
  return [status, response.statusCode];
};
/** Until no process listens there any more. */
const untilClosed = (url: string | null): Promise<void> =>
  until('the server is closed', () => {
    const socket = connect(portOf(url ?? ''), '127.0.0.1');
    return once(socket, 'connect').then(
      () => {
        socket.destroy();
        return false;
      },
      () => true,
    );
  });
const SERVING = 1;
const NOT_SERVING = 2;

const groups = [...Map.groupBy(PROTOCOLS, ({ settings }) => JSON.stringify(settings)).values()];

describe.each(groups.map((protocols) => [protocols.map(({ name }) => name).join(', '), protocols] as const))(
  'a stop with calls by %s',
  (_name, protocols) => {
    it('SIGTERM under load fails no accepted call, and a new process starts on the same ports', async () => {
      const environment = {
        ...settingsFor(leastPrivilegeUrl(database.url)),
        ASSENT_GRPC_ADDRESS: `127.0.0.1:${await freePort()}`,
        ASSENT_HTTP_ADDRESS: `127.0.0.1:${await freePort()}`,
        ...protocols[0]?.settings,
      };
      const first = await startAssent(environment);
      expect(await health(first)).toEqual([SERVING, 200]);
      const clients = protocols.map((protocol) => protocol.open(first));
      const enough = new AbortController();
      const asking = clients.map((client) => keepAsking(client, enough.signal));
      // Calls that are under way when the signal comes, and until after the servers have closed.
      const slow = await whileLocked(async () => {
        const calls = clients.map((client) => client.call('GetUser', { userId }));
        await until('they wait', async () => (await waitingForLocks()) >= clients.length);
        first.kill('SIGTERM');
        await first.logged(({ event }) => event === 'process.stopping');
        const [answers] = await Promise.all([health(first), ...[first.grpcUrl, first.httpUrl].map(untilClosed)]);
        expect(answers).toEqual([NOT_SERVING, 503]);
        return { calls };
      });
      // The service's own answer to each; on a busy machine its bound on a statement may have been reached.
      for (const { code, details } of await Promise.all(slow.calls)) {
        expect(['OK', 'DATABASE_UNAVAILABLE']).toContain(details[0]?.['reason'] ?? code);
      }
      expect(await first.exited).toEqual({ code: 0, signal: null });
      expect(first.stderr()).toBe('');

      const second = await startAssent(environment);
      const before = asking.map(({ answers }) => answers.length);
      await until('all are answered again', () =>
        asking.every(({ answers }, one) => answers.length > (before[one] ?? 0)),
      );
      enough.abort();
      await Promise.all(asking.map(({ ended }) => ended));
      const answers = asking.flatMap((one) => one.answers);
      expect(answers.filter(({ code, response }) => code !== 'OK' || response?.['allowed'] !== true)).toEqual([]);
      for (const client of clients) client.close();
      expect(await second.stop()).toEqual({ code: 0, signal: null });
    });

    it('a second signal ends the process at once', async () => {
      const assent = await startAssent({
        ...settingsFor(leastPrivilegeUrl(database.url)),
        ...protocols[0]?.settings,
      });
      assent.kill('SIGINT');
      await assent.logged(({ event }) => event === 'process.stopping');
      assent.kill('SIGTERM');
      expect(await assent.exited).toEqual({ code: 1, signal: null });
    });
  },
);

it('a process that is stopped during its start does not listen', async () => {
  const proxy = await startProxy(portOf(database.url));
  onTestFinished(() => proxy.close());
  proxy.setMode('stall');
  const assent = spawnAssent({
    ...settingsFor(through(database.url, proxy)),
    ASSENT_GRPC_ADDRESS: '127.0.0.1:0',
    ASSENT_HTTP_ADDRESS: 'off',
  });
  onTestFinished(async () => void (await assent.stop()));
  await assent.logged(({ event }) => event === 'config.no_nats');
  assent.kill('SIGTERM');
  expect(await assent.exited).toEqual({ code: 0, signal: null });
  // Logged once the servers listen.
  expect(assent.logs().filter(({ event }) => event === 'service.not_serving')).toEqual([]);
});
