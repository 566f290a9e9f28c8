/** Deployments that share Redis and a stream, as copies of one `.env` do: what one read of its tables is not the other's. */
import { Redis } from 'ioredis';
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import type { ServingAssent } from '../../tools/assent/assent-process.ts';
import { callJson, startAssentUntil } from '../support/assent.ts';
import { testDatabase } from '../support/database.ts';
import { testNats } from '../support/nats.ts';
import { testRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const [one, other] = [await testDatabase(), await testDatabase()];
const redis = await testRedis();
const names = await testNats();

const TIMES = '"createdAt" timestamptz DEFAULT now(), "updatedAt" timestamptz DEFAULT now()';
/** User 7 of organization 8, with this role. */
const tables = (schema: string, role: string): string => `
  CREATE SCHEMA IF NOT EXISTS ${schema}; SET search_path = ${schema};
  CREATE TABLE users (id serial, name text, email text, "emailVerified" boolean, image text, ${TIMES});
  CREATE TABLE organizations (id serial, name text, slug text, logo text, metadata text, ${TIMES});
  CREATE TABLE members (id serial, "organizationId" int, "userId" int, role text, ${TIMES});
  INSERT INTO users (id) VALUES (7); INSERT INTO organizations (id) VALUES (8);
  INSERT INTO members ("organizationId", "userId", role) VALUES (8, 7, '${role}');`;
const query = async (url: string, text: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(text);
  await client.end();
};
await query(one.url, tables('acme', 'owner') + tables('umbrella', 'member'));
await query(other.url, tables('acme', 'member'));

const start = (url: string, schema: string): Promise<ServingAssent> =>
  startAssentUntil(onTestFinished, {
    ...{ DATABASE_URL: url, ASSENT_DB_SCHEMA: schema, REDIS_URL: redis.url },
    ...{ NATS_URL: names.url, NATS_STREAM: names.stream, ASSENT_EVENTS_PREFIX: names.prefix },
    ...{ BETTER_AUTH_SECRET: 'the same secret in all of the copies', ASSENT_JWKS: 'off' },
  });
const check = (assent: ServingAssent): Promise<Readonly<Record<string, unknown>>> =>
  callJson(assent, 'CheckPermission', { userId: '7', organizationId: '8', permission: 'organization:delete' });

it('two deployments with one Redis answer from their own tables only', async () => {
  expect(await check(await start(one.url, 'acme'))).toMatchObject({ allowed: true, source: 'SOURCE_DATABASE' });
  const client = new Redis(redis.url);
  onTestFinished(() => client.disconnect());
  await until('its entry', async () => (await client.exists('perm:7:8')) === 1);
  for (const neighbour of await Promise.all([start(one.url, 'umbrella'), start(other.url, 'acme')])) {
    expect(await check(neighbour)).toMatchObject({ reason: 'REASON_ROLE_LACKS_PERMISSION' });
  }
}, 60_000);
