/**
 * Reads of PostgreSQL whose callers have gone: the deadline of the call has passed, or its stream or connection is closed.
 * The bounds of the service are a minute here, so that no statement ends by them.
 */
import type { JsonObject } from '@bufbuild/protobuf';
import pg from 'pg';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createApp } from '../../src/app.ts';
import { loadConfig } from '../../src/config/index.ts';
import type { App } from '../../src/service.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import type { ServingAssent } from '../../tools/assent/assent-process.ts';
import { testDatabase } from '../support/database.ts';
import type { MethodName, ProtocolClient } from '../support/protocol-clients/client.ts';
import { PROTOCOLS } from '../support/protocols.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const CONNECTIONS = 2;
const PATIENT = { timeoutMs: 50_000 };

const database = await testDatabase(await applicationTemplate('plural'));
/** Every statement of the service, with its values. */
const statements = vi.spyOn(pg.Client.prototype, 'query');
const asked = (value: string): number =>
  statements.mock.calls.filter(([query]) => {
    const { values } = query as unknown as { readonly values?: readonly unknown[] };
    return values?.includes(value);
  }).length;

const lines: string[] = [];
const log = pino({ level: 'info' }, { write: (line) => lines.push(line) });
const admin = new pg.Client({ connectionString: database.url });
const locker = new pg.Client({ connectionString: database.url });
const seed = createSeed(admin);
let organizationId = '';
beforeAll(async () => {
  await Promise.all([admin.connect(), locker.connect()]);
  organizationId = await seed.organization();
});
afterAll(() => Promise.all([admin.end(), locker.end()]));

const member = async (): Promise<string> => {
  const userId = await seed.user();
  await seed.member(userId, organizationId, 'owner');
  return userId;
};
/** Holds up every read of users until {@link unlock}. */
const lock = () => locker.query('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
const unlock = () => locker.query('ROLLBACK');
/** The sessions in which the lock holds up a statement. */
const heldUp = async (): Promise<readonly number[]> => {
  const { rows } = await admin.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND wait_event_type = 'Lock'`,
  );
  return rows.map(({ pid }) => pid);
};
const untilHeldUp = (count: number) => until(`${count} held up`, async () => (await heldUp()).length === count);

const metrics = createMetrics();
let app: App;
let clients: ReadonlyMap<string, ProtocolClient>;
beforeAll(async () => {
  const config = loadConfig({
    ...settingsFor(database.url),
    ASSENT_DB_CONNECTIONS: String(CONNECTIONS),
    ASSENT_DB_STATEMENT_TIMEOUT_MS: '60000',
    ASSENT_GRPC_ADDRESS: '127.0.0.1:0',
    ASSENT_HTTP_ADDRESS: '127.0.0.1:0',
  });
  app = await createApp(config, log, metrics, metrics.scrape, 'key');
  await app.prepare();
  const [grpcAddress = '', http = ''] = await Promise.all(app.servers.all.map((server) => server.listen()));
  const assent = { grpcAddress, httpUrl: `http://${http}` } as ServingAssent;
  clients = new Map(PROTOCOLS.map((protocol) => [protocol.name, protocol.open(assent)]));
});
afterEach(async () => {
  await unlock();
  expect(lines.filter((line) => JSON.parse(line).level >= 50)).toEqual([]);
});
afterAll(async () => {
  for (const client of clients.values()) client.close();
  await Promise.all(app.servers.all.map((server) => server.stop(1_000)));
  await app.end();
});

const clientOf = (name: string): ProtocolClient => {
  const client = clients.get(name);
  if (client === undefined) throw new Error(`no client ${name}`);
  return client;
};
const metric = async (line: string): Promise<number> => {
  const found = (await metrics.scrape()).text.split('\n').find((one) => one.startsWith(`${line} `));
  return Number(found?.split(' ').at(-1) ?? 0);
};
const leavers = async (method: MethodName): Promise<number> =>
  (await metric(`assent_requests_total{method="${method}",code="CANCELLED"}`)) +
  (await metric(`assent_requests_total{method="${method}",code="DEADLINE_EXCEEDED"}`));
const questionOf = (userId: string) => ({ userId, organizationId, permission: 'organization:delete' });

describe.each(PROTOCOLS)('by $name', ({ name }) => {
  const requests: readonly (readonly [MethodName, (userId: string) => JsonObject])[] = [
    ['CheckPermission', questionOf],
    ['CheckPermission', (userId) => ({ ...questionOf(userId), consistency: 'CONSISTENCY_FULL' })],
    ['BatchCheckPermissions', (userId) => ({ checks: [questionOf(userId), questionOf(userId)] })],
    ['ListPermissions', (userId) => ({ userId, organizationId })],
    ['GetUser', (userId) => ({ userId })],
  ];

  it.each([
    ['cancels it', 'CANCELLED', requests],
    ['has a deadline that passes', 'DEADLINE_EXCEEDED', requests.slice(0, 1)],
  ])('a read is cancelled on the database server when its caller %s, and no other read is', async (_, code, those) => {
    const client = clientOf(name);
    const [stayer, leaver] = [await member(), await member()];
    await lock();
    const staying = client.call('CheckPermission', questionOf(stayer), PATIENT);
    await untilHeldUp(1);
    const control = await heldUp();
    for (const [method, requestOf] of those) {
      const before = await leavers(method);
      const leaving = new AbortController();
      const options = code === 'CANCELLED' ? { ...PATIENT, signal: leaving.signal } : { timeoutMs: 1_000 };
      const left = client.call(method, requestOf(leaver), options).catch(() => ({ code: 'CANCELLED' }));
      await untilHeldUp(2);
      leaving.abort();
      expect(await left).toMatchObject({ code });
      await until(`the statement of ${method} is gone`, async () => (await heldUp()).length < 2);
      expect(await heldUp()).toEqual(control);
      await until('the call is counted', async () => (await leavers(method)) === before + 1);
    }
    await unlock();
    expect(await staying).toMatchObject({ code: 'OK', response: { allowed: true } });
    // Nothing of what was cancelled is in memory, neither facts nor an error.
    const again = await client.call('CheckPermission', questionOf(leaver));
    expect(again).toMatchObject({ code: 'OK', response: { allowed: true, source: 'SOURCE_DATABASE' } });
    expect(await metric('assent_database_faults_total')).toBe(0);
  });
});

const [{ name: grpc } = { name: '' }] = PROTOCOLS;
/** Comes back when the service has all calls that this connection sent before. */
const untilReceived = (client: ProtocolClient) => client.call('VerifyToken', { token: 'none' });

it('a load that two calls share goes on when one call ends, and is cancelled when both have ended', async () => {
  const client = clientOf(grpc);
  const userId = await member();
  for (const bothLeave of [true, false]) {
    await lock();
    const before = [await leavers('CheckPermission'), asked(userId)] as const;
    const [first, second] = [new AbortController(), new AbortController()];
    const ask = ({ signal }: AbortController) =>
      client.call('CheckPermission', questionOf(userId), { ...PATIENT, signal });
    const [left, other] = [ask(first), ask(second)];
    await untilHeldUp(1);
    await untilReceived(client);
    const shared = await heldUp();
    first.abort();
    expect((await left).code).toBe('CANCELLED');
    await until('the first is counted', async () => (await leavers('CheckPermission')) === before[0] + 1);
    expect(await heldUp()).toEqual(shared);
    if (bothLeave) {
      second.abort();
      await untilHeldUp(0);
    }
    await unlock();
    expect(await other).toMatchObject(bothLeave ? { code: 'CANCELLED' } : { response: { allowed: true } });
    expect(asked(userId)).toBe(before[1] + 1);
  }
});

it('a read that waits for a connection does not begin after its caller has gone', async () => {
  const client = clientOf(grpc);
  const [one, two, leaver, last] = [await member(), await member(), await member(), await member()];
  const [before, leaving] = [await leavers('GetUser'), new AbortController()];
  await lock();
  const busy = [one, two].map((userId) => client.call('GetUser', { userId }, PATIENT));
  await untilHeldUp(CONNECTIONS);
  const left = client.call('GetUser', { userId: leaver }, { ...PATIENT, signal: leaving.signal });
  const behind = client.call('GetUser', { userId: last }, PATIENT);
  await untilReceived(client);
  leaving.abort();
  expect((await left).code).toBe('CANCELLED');
  await until('the call is counted', async () => (await leavers('GetUser')) === before + 1);
  await unlock();
  for (const answer of [...busy, behind]) expect((await answer).code).toBe('OK');
  expect([one, two, leaver, last].map(asked)).toEqual([1, 1, 0, 1]);
});
