/** What comes back from outside, entries in Redis and page tokens, is signed with a key: never with one made of a URL. */
import { createHmac, hkdfSync } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import type { ServingAssent } from '../../tools/assent/assent-process.ts';
import { callJson, startAssentUntil } from '../support/assent.ts';
import { testDatabase } from '../support/database.ts';
import { testNats } from '../support/nats.ts';
import { testRedis } from '../support/redis.ts';
import { createSeed } from '../support/seed.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const database = await testDatabase(await applicationTemplate('plural'));
const redis = await testRedis();
const names = await testNats();
const pool = new pg.Pool({ connectionString: database.url });
afterAll(() => pool.end());
const seed = createSeed(pool);
const userId = await seed.user();
const [organizationId] = [await seed.organization(), await seed.organization()].toSorted();
for (const { id } of (await pool.query<{ id: string }>('SELECT id FROM organizations')).rows) {
  await seed.member(userId, id, 'owner');
}

const [OLD, NEW] = ['the old key of 32 characters or more', 'the new key of 32 characters or more'];

/** Takes tokens by published keys alone, unless `more` says otherwise. */
const start = (more: Readonly<Record<string, string>> = {}): Promise<ServingAssent> =>
  startAssentUntil(onTestFinished, {
    ...{ DATABASE_URL: database.url, BETTER_AUTH_URL: 'http://localhost:3000', REDIS_URL: redis.url },
    ...{ NATS_URL: names.url, NATS_STREAM: names.stream, ASSENT_EVENTS_PREFIX: names.prefix },
    ...more,
  });
/** On a separate connection, so that each worker gets some calls. */
const call = (assent: ServingAssent, method: string, body: object): Promise<Record<string, unknown>> =>
  callJson(assent, method, body, { connection: 'close' });
const sourceOf = async (assent: ServingAssent): Promise<unknown> =>
  (await call(assent, 'CheckPermission', { userId, organizationId, permission: 'organization:delete' }))['source'];
/** How many entries in Redis were not those of this replica's keys. A Redis that is slow is a miss, and counts as none. */
const unreadable = async ({ httpUrl }: ServingAssent): Promise<number> => {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  return Number(/^assent_redis_refused_total\{reason="unreadable"\} (\d+)/m.exec(text)?.[1] ?? Number.NaN);
};
/** The entry of the pair; that of earlier tests is gone. */
const stored = async (write: () => Promise<unknown>): Promise<string> => {
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  const name = `perm:${userId}:${organizationId}`;
  await client.del(name);
  await write();
  await until('the entry', async () => (await client.exists(name)) === 1);
  return (await client.get(name)) ?? '';
};
const page = (assent: ServingAssent, pageToken: string) =>
  call(assent, 'ListUserOrganizations', { userId, pageSize: 1, pageToken });

it('without a key each replica signs its entries in Redis for itself, and page tokens pass between replicas', async () => {
  const [one, other] = [await start(), await start()];
  const entry = await stored(async () => expect(await sourceOf(one)).toBe('SOURCE_DATABASE'));
  expect(JSON.parse(entry)).toMatchObject({
    role: 'owner',
    permissions: expect.arrayContaining(['organization:delete']),
  });
  expect(await sourceOf(other)).toBe('SOURCE_DATABASE');
  expect(one.logs()).toContainEqual(expect.objectContaining({ event: 'config.no_signing_key' }));

  const first = await page(one, '');
  const second = await page(other, String(first['nextPageToken']));
  expect(second['memberships']).toHaveLength(1);
  expect(second['memberships']).not.toEqual(first['memberships']);
  const foreign = await call(other, 'ListUserOrganizations', { userId: 'another', pageToken: first['nextPageToken'] });
  expect(foreign).toMatchObject({ code: 'invalid_argument' });
}, 60_000);

it('an entry in Redis does not allow a guess at the password of the database to be checked', async () => {
  const entry = await stored(async () => sourceOf(await start()));
  const { version, code, covered } =
    /^\{"assent":\{"v":(?<version>\d+),"mac":"(?<code>[^"]*)(?<covered>".*)$/s.exec(entry)?.groups ?? {};
  const key = Buffer.from(hkdfSync('sha256', database.url, '', `assent cache entry v${version}`, 32));
  const signed = JSON.stringify(`perm:${userId}:${organizationId}`) + covered;
  expect(code).toMatch(/^[\w-]{43}$/);
  expect(createHmac('sha256', key).update(signed).digest('base64url')).not.toBe(code);
}, 60_000);

it('a signing key is rotated without a miss: entries of the old key are accepted', async () => {
  const before = await start({ ASSENT_SIGNING_KEY: OLD });
  await stored(() => sourceOf(before));
  const first = await page(before, '');
  const after = await start({ ASSENT_SIGNING_KEY: `2:${NEW},1:${OLD}` });
  await sourceOf(after);
  expect(await unreadable(after)).toBe(0);
  expect((await page(after, String(first['nextPageToken'])))['memberships']).toHaveLength(1);
  expect(after.logs()).not.toContainEqual(expect.objectContaining({ event: 'config.no_signing_key' }));

  const other = await start({ ASSENT_SIGNING_KEY: NEW });
  expect(await sourceOf(other)).toBe('SOURCE_DATABASE');
  expect(await page(other, String(first['nextPageToken']))).toMatchObject({ code: 'invalid_argument' });
}, 60_000);

it("the workers of one replica read each other's entries without a configured key", async () => {
  const assent = await start({ ASSENT_WORKERS: '2' });
  await stored(() => sourceOf(assent));
  const sources = new Set<unknown>();
  // Each worker has a separate memory, so that the second worker uses the entry of the first.
  await until('both workers answered', async () => {
    sources.add(await sourceOf(assent));
    return sources.has('SOURCE_MEMORY') && sources.size > 1;
  });
  expect([...sources].toSorted()).toEqual(['SOURCE_MEMORY', 'SOURCE_REDIS']);
}, 60_000);
