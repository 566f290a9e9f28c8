/** PostgreSQL, Redis and NATS absent at start, lost while running, and back: what callers see, through every protocol. */
import type { JsonObject } from '@bufbuild/protobuf';
import { Redis } from 'ioredis';
import { connect } from 'nats';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { startProxy, through } from '../../tools/network/proxy.ts';
import { testDatabase } from '../support/database.ts';
import { testNats } from '../support/nats.ts';
import { portOf } from '../support/port-of.ts';
import type { Answer, MethodName, ProtocolClient } from '../support/protocol-clients/client.ts';
import { PROTOCOLS } from '../support/protocols.ts';
import { testRedis } from '../support/redis.ts';
import { createSeed } from '../support/seed.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const stream = await testNats();
const pool = new pg.Pool({ connectionString: database.url });
const seed = createSeed(pool);
const organizationId = await seed.organization();
const member = async (): Promise<string> => {
  const userId = await seed.user();
  await seed.member(userId, organizationId, 'owner');
  return userId;
};
const [known, revoked] = [await member(), await member()];
afterAll(() => pool.end());

const INSIDE = /select|postgres|sqlstate|ECONN|127\.0\.0\.1|localhost|slonik|redis|nats|timeout|terminat|\.ts:/i;

/** The protocols by process: protocols of one process share the same state. */
const processes = [...Map.groupBy(PROTOCOLS, ({ settings }) => JSON.stringify(settings)).values()];

describe('outages', () => {
  let assents: readonly ServingAssent[] = [];
  let clients: readonly ProtocolClient[] = [];
  let redisUrl = '';
  const proxies = {
    postgres: startProxy(portOf(inject('postgresUrl'))),
    redis: startProxy(portOf(inject('redisUrl'))),
    nats: startProxy(portOf(inject('natsUrl'))),
  };
  const lose = async (name: keyof typeof proxies): Promise<void> => {
    const proxy = await proxies[name];
    proxy.setMode('refuse');
    proxy.cut();
  };
  const restore = async (name: keyof typeof proxies): Promise<void> => {
    const proxy = await proxies[name];
    proxy.cut();
    proxy.setMode('pass');
  };

  beforeAll(async () => {
    const [postgres, redis, nats] = await Promise.all([proxies.postgres, proxies.redis, proxies.nats]);
    for (const proxy of [postgres, redis, nats]) proxy.setMode('refuse');
    redisUrl = (await testRedis()).url;
    const environment = {
      ...settingsFor(through(leastPrivilegeUrl(database.url), postgres)),
      REDIS_URL: through(redisUrl, redis),
      NATS_URL: through(stream.url, nats),
      NATS_STREAM: stream.stream,
      ASSENT_EVENTS_PREFIX: stream.prefix,
    };
    assents = await Promise.all(
      processes.map((protocols) => startAssent({ ...environment, ...protocols[0]?.settings }, 'service.not_serving')),
    );
    clients = assents.flatMap((assent, index) => (processes[index] ?? []).map((protocol) => protocol.open(assent)));
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    const ended = await Promise.all(
      assents.map(async (assent) => ({ ...(await assent.stop()), said: assent.stderr() })),
    );
    for (const end of ended) expect(end).toEqual({ code: 0, signal: null, said: '' });
    await Promise.all(Object.values(proxies).map(async (proxy) => (await proxy).close()));
  });

  const all = (method: MethodName, request: object, timeoutMs?: number): Promise<readonly Answer[]> =>
    Promise.all(
      clients.map((client) => client.call(method, request as never, timeoutMs === undefined ? {} : { timeoutMs })),
    );
  const check = (userId: string, change: object = {}, timeoutMs?: number) =>
    all('CheckPermission', { userId, organizationId, permission: 'organization:delete', ...change }, timeoutMs);
  const FULL = { consistency: 'CONSISTENCY_FULL' };
  const expectUnavailable = (answers: readonly Answer[]): void => {
    const details = [{ '@type': 'google.rpc.ErrorInfo', reason: 'DATABASE_UNAVAILABLE', domain: 'assent' }];
    for (const answer of answers) {
      expect(answer).toMatchObject({ code: 'UNAVAILABLE', response: null, details });
      expect(answer.message).not.toMatch(INSIDE);
    }
  };
  const expectAllowed = (answers: readonly Answer[], source?: string): void => {
    const expected = { allowed: true, ...(source === undefined ? {} : { source }) };
    for (const { response, message } of answers) expect(response, message).toMatchObject(expected);
  };
  /** Of each process. */
  const metric = (line: string): Promise<readonly number[]> =>
    Promise.all(
      assents.map(async ({ httpUrl }) => {
        const text = await (await fetch(`${httpUrl}/metrics`)).text();
        const found = text.split('\n').find((one) => one.startsWith(`${line} `));
        return Number(found?.split(' ').at(-1) ?? 0);
      }),
    );
  const pages = (path: string): Promise<readonly number[]> =>
    Promise.all(assents.map(async ({ httpUrl }) => (await fetch(`${httpUrl}${path}`)).status));
  const logged = (name: string) => Promise.all(assents.map((assent) => assent.logged(({ event }) => event === name)));
  const live = () =>
    until('events are applied', async () =>
      (await metric('assent_events_live{mode="stream"}')).every((value) => value === 1),
    );
  const comeFrom = async (source: string): Promise<boolean> =>
    (await check(known)).every(({ response }) => response?.['source'] === source);

  it('without any dependency at start the service listens, is not ready, answers UNAVAILABLE, and never allows', async () => {
    for (const status of await pages('/livez')) expect(status).toBe(200);
    for (const status of await pages('/readyz')) expect(status).toBe(503);
    expectUnavailable(await check(known));
    expectUnavailable(await check(known, FULL));
    expectUnavailable(await all('ListPermissions', { userId: known, organizationId }));
    expectUnavailable(await all('GetUser', { userId: known }));
    expectUnavailable(await all('GetOrganization', { organizationId }));
    expectUnavailable(await all('ListUserOrganizations', { userId: known }));
    const checks = [{ userId: known, organizationId, permission: 'a:b' }];
    for (const { response } of await all('BatchCheckPermissions', { checks })) {
      expect(response?.['results']).toMatchObject([{ error: { code: 14, reason: 'DATABASE_UNAVAILABLE' } }]);
    }
  });

  it('once PostgreSQL is there, the service reads it for every answer', async () => {
    await restore('postgres');
    await logged('service.serving');
    for (const status of await pages('/readyz')) expect(status).toBe(200);
    for (let times = 0; times < 2; times += 1) expectAllowed(await check(known), 'SOURCE_DATABASE');
  });

  it('once NATS and Redis are there, the service answers from memory and writes entries to Redis', async () => {
    await Promise.all([restore('nats'), restore('redis')]);
    await live();
    await logged('redis.connected');
    await check(known);
    expectAllowed(await check(known), 'SOURCE_MEMORY');
    const redis = new Redis(redisUrl);
    // One that Redis takes too long for is left out, so that a single one would prove nothing.
    await until('an entry', async () => {
      const userId = await member();
      await check(userId);
      return (await redis.exists(`perm:${userId}:${organizationId}`)) === 1;
    });
    redis.disconnect();
  });

  it('all processes name the same revision, and the moment of its message', async () => {
    const nats = await connect({ servers: stream.url });
    const event = JSON.stringify({ userId: 'nobody', organizationId });
    const { seq } = await nats.jetstream().publish(`${stream.prefix}.member.added`, event);
    await nats.close();
    const revision = async ({ httpUrl }: ServingAssent) => {
      const { headers } = await fetch(`${httpUrl}/assent.auth.v1.AuthService/GetUser`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'assent-trace': '1' },
        body: JSON.stringify({ userId: known }),
      });
      return `${headers.get('assent-position')} ${headers.get('assent-position-taken-at')}`;
    };
    const all = () => Promise.all(assents.map(revision));
    await until('the event', async () => (await all()).every((one) => one.includes(`:${seq} `)));
    const revisions = new Set(await all());
    expect(revisions.size).toBe(1);
    expect([...revisions][0]).toMatch(/^js:\w+:[\dTZ:.-]+@[\w-]{16}:\d+ \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$/);
  });

  it('no call fails while Redis hangs, goes away and comes back', async () => {
    (await proxies.redis).setMode('stall');
    expectAllowed(await check(await member()));
    await lose('redis');
    expectAllowed(await check(await member()));
    await restore('redis');
    expectAllowed(await check(await member()));
  });

  it('without PostgreSQL cached facts are answered, and other calls are UNAVAILABLE', async () => {
    await check(known);
    await lose('postgres');
    expectAllowed(await check(known), 'SOURCE_MEMORY');
    expectUnavailable(await check(known, FULL));
    expectUnavailable(await check(await member()));
    expectUnavailable(await all('GetUser', { userId: known }));
    await restore('postgres');
    await until('PostgreSQL is read again', async () =>
      (await all('GetUser', { userId: known })).every(({ code }) => code === 'OK'),
    );
    expectAllowed(await check(known, FULL), 'SOURCE_DATABASE');
  });

  it('when PostgreSQL vanishes silently, each call ends at its deadline and is counted as such', async () => {
    const counted = async (code: string): Promise<number> =>
      (await metric(`assent_requests_total{method="GetUser",code="${code}"}`)).reduce((sum, count) => sum + count, 0);
    const unread = await member();
    const before = await counted('DEADLINE_EXCEEDED');
    (await proxies.postgres).setMode('stall');
    const leaving = new AbortController();
    const left = fetch(`${assents[0]?.httpUrl}/assent.auth.v1.AuthService/GetUser`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ userId: known }),
      signal: leaving.signal,
    });
    const [late, patient] = [all('GetUser', { userId: known }, 200), all('GetUser', { userId: known })];
    for (const { code } of [...(await late), ...(await check(unread, {}, 200))]) expect(code).toBe('DEADLINE_EXCEEDED');
    // None of them has a connection while those of the others hang.
    const ask = { organizationId, permission: 'a:b' };
    const flood = [0, 1, 2].map((batch) =>
      clients[0]?.call('BatchCheckPermissions', {
        checks: Array.from({ length: 500 }, (_, index) => ({ ...ask, userId: `stranger-${batch}-${index}` })),
      }),
    );
    leaving.abort();
    await expect(left).rejects.toThrow();
    expectAllowed(await check(known), 'SOURCE_MEMORY');
    // Without a deadline of theirs, the service's own bound.
    expectUnavailable(await patient);
    const results = (await Promise.all(flood)).flatMap(
      (answer) => answer?.response?.['results'] as readonly JsonObject[],
    );
    const reasons = Map.groupBy(results, ({ error }) => (error as JsonObject | undefined)?.['reason']);
    // Most wait in vain; on a slow machine the length of the line alone refuses the last ones.
    expect(['DATABASE_UNAVAILABLE', 'OVERLOADED']).toEqual(expect.arrayContaining([...reasons.keys()]));
    expect(reasons.get('DATABASE_UNAVAILABLE')?.length).toBeGreaterThan(0);
    // A caller resets its call at its deadline, which can come just before the server's own count of the time has ended:
    // that one is counted as a caller who left.
    const leavers = async () => (await counted('DEADLINE_EXCEEDED')) - before + (await counted('CANCELLED'));
    await until('they are counted', async () => (await leavers()) === clients.length + 1);
    expect(await counted('DEADLINE_EXCEEDED')).toBeGreaterThan(before);
    expect(await counted('CANCELLED')).toBeGreaterThanOrEqual(1);
    await restore('postgres');
    await until('PostgreSQL is read again', async () =>
      (await all('GetUser', { userId: known })).every(({ code }) => code === 'OK'),
    );
    // Of what came too late nothing was kept, and no error either.
    expectAllowed(await check(unread));
  });

  it('without NATS the service reads PostgreSQL for every answer, and denies an unpublished revocation at once', async () => {
    await check(revoked);
    expectAllowed(await check(revoked), 'SOURCE_MEMORY');
    await lose('nats');
    await until('the lease is over', () => comeFrom('SOURCE_DATABASE'));
    await seed.removeMember(revoked, organizationId);
    const publisher = await connect({ servers: stream.url });
    const event = JSON.stringify({ userId: revoked, organizationId });
    await publisher.jetstream().publish(`${stream.prefix}.member.removed`, event);
    await publisher.close();
    for (const { response } of await check(revoked)) expect(response).toMatchObject({ allowed: false });
    await lose('postgres');
    expectUnavailable(await check(known));
    await Promise.all([restore('postgres'), restore('nats')]);
    await live();
    await until('memory answers', () => comeFrom('SOURCE_MEMORY'));
    for (const { response } of await check(revoked)) expect(response).toMatchObject({ reason: 'REASON_NOT_A_MEMBER' });
  });
});
