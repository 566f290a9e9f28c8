/** What an answer costs, counted by Redis itself and in PostgreSQL's driver. */
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { systemClock as clock } from '../../../src/clock.ts';
import type { Directory } from '../../../src/database/directory.ts';
import { createFactsCache, type FactsCache } from '../../../src/facts/cache.ts';
import { databaseTier } from '../../../src/facts/database-tier.ts';
import { createEntryMac } from '../../../src/facts/entry.ts';
import { createTtlFreshness } from '../../../src/facts/freshness.ts';
import { createMemoryStore } from '../../../src/facts/memory.ts';
import { createRedisClient, type RedisClient } from '../../../src/facts/redis-client.ts';
import { redisTier } from '../../../src/facts/redis-tier.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { type Server, startRedis } from '../../../tools/local-services/index.ts';
import { schemaTemplate } from '../../support/better-auth-schema.ts';
import { CALLER } from '../../support/caller.ts';
import { testDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const KEY = { userId: 'u', organizationId: 'o' };
const TTL_MS = 300_000;

const database = await testDatabase(await schemaTemplate('plural'));
const refused: string[] = [];
let server: Server;
let store: RedisClient;
let directory: Directory;
let client: Redis;
beforeAll(async () => {
  // Its own: the counts are the whole server's.
  server = await startRedis({ own: true });
  store = createRedisClient({
    url: server.url,
    timeoutMs: 50,
    pauseMs: 500,
    clock,
    onError: () => {},
    onReady: () => {},
  });
  client = new Redis(server.url);
  await until('Redis', () => store.available());
  directory = directoryOf(database.url);
  // The connection is made and set up, and the tables are found.
  for (let count = 0; count < 3; count += 1) await directory.facts(KEY);
});
afterAll(async () => {
  store.end();
  client.disconnect();
  await directory.end();
  await server.stop();
});

const createCache = (): FactsCache => {
  const freshness = createTtlFreshness(clock);
  const next = databaseTier(directory.facts, clock);
  const cached = redisTier({
    store,
    freshness,
    clock,
    ttlMs: TTL_MS,
    mac: createEntryMac(['a secret of tests']),
    onRefused: (reason) => refused.push(reason),
    view: () => ({ role: '', permissions: [] }),
    next,
  });
  return createFactsCache({
    memory: createMemoryStore(10),
    freshness,
    clock,
    ttlMs: TTL_MS,
    leaseMs: 2_000,
    cached,
    database: next,
  });
};
/** What one answer asked of Redis, by command, and of PostgreSQL. */
const costOf = async (read: () => Promise<unknown>) => {
  await client.config('RESETSTAT');
  const statements = vi.spyOn(pg.Client.prototype, 'query');
  await read();
  const sql = statements.mock.calls.length;
  statements.mockRestore();
  const stats = await client.info('commandstats');
  const commands = [...stats.matchAll(/cmdstat_(\w+):calls=(\d+)/g)]
    .map(([, command = '', calls]) => [command, Number(calls)] as const)
    .filter(([command]) => !['config', 'info'].some((own) => command.startsWith(own)));
  return { redis: Object.fromEntries(commands), sql };
};

it('a miss costs one Redis read, one statement and one Redis write, a hit in Redis one read, a hit in memory none', async () => {
  const cache = createCache();
  const read = async (of: FactsCache) => of.read(KEY, false, CALLER);
  expect(
    await costOf(async () => {
      expect((await read(cache)).tier).toBe('database');
      await until('the store', async () => (await client.dbsize()) === 1);
    }),
  ).toMatchObject({ redis: { getrange: 1, set: 1 }, sql: 1 });
  expect(await costOf(async () => expect((await read(cache)).tier).toBe('memory'))).toEqual({ redis: {}, sql: 0 });
  const other = createCache();
  expect(await costOf(async () => expect((await read(other)).tier).toBe('redis'))).toEqual({
    redis: { getrange: 1 },
    sql: 0,
  });
  expect(await costOf(async () => cache.read(KEY, true, CALLER))).toEqual({ redis: {}, sql: 1 });
});

it.each([
  ['any bytes', 'a', () => client.set('perm:u:a', Buffer.from([0xff, 0x00, 0xfe, 0x22]))],
  ['nothing but a great length', 'b', () => client.setrange('perm:u:b', 2_000_000, 'x')],
  ['JSON of another program', 'c', () => client.set('perm:u:c', '{"role":"owner","permissions":["data:write"]}')],
])('a value that another program wrote is counted and not used: %s', async (_name, organizationId, write) => {
  refused.length = 0;
  await write();
  expect((await createCache().read({ userId: 'u', organizationId }, false, CALLER)).tier).toBe('database');
  expect(refused).toEqual(['unreadable']);
});

it('a Redis key of another type is a miss', async () => {
  await client.lpush('perm:u:d', 'x');
  expect((await createCache().read({ userId: 'u', organizationId: 'd' }, false, CALLER)).tier).toBe('database');
});
