/** An application and Assent that share a transaction pooler: what Assent does there changes nothing for the application. */
import pg from 'pg';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type { ServingAssent } from '../../tools/assent/assent-process.ts';
import {
  type Pooler,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
  withClient,
} from '../../tools/local-services/index.ts';
import { callJson, startAssentUntil } from '../support/assent.ts';
import { until } from '../support/until.ts';

const COLUMNS = 'name text, email text, "emailVerified" boolean, image text';
const TIMES = '"createdAt" timestamptz DEFAULT now(), "updatedAt" timestamptz DEFAULT now()';
const TABLES = `
  CREATE TABLE users (id text PRIMARY KEY, ${COLUMNS}, ${TIMES});
  CREATE TABLE organizations (id text PRIMARY KEY, name text, slug text, logo text, metadata text, ${TIMES});
  CREATE TABLE members (id text PRIMARY KEY, "organizationId" text, "userId" text, role text, ${TIMES});
  INSERT INTO users (id) VALUES ('u'); INSERT INTO organizations (id) VALUES ('o');
  INSERT INTO members (id, "organizationId", "userId", role) VALUES ('m', 'o', 'u', 'owner');`;

let server: PostgresServer;
let pooler: Pooler;
/** Of the application's role, which owns the tables. */
let direct: string;
beforeAll(async () => {
  server = await startPostgres();
  await withClient(server.url, (client) => client.query(`CREATE ROLE application LOGIN PASSWORD 'of the application'`));
  await withClient(server.url, (client) => client.query('GRANT CREATE ON SCHEMA public TO application'));
  direct = Object.assign(new URL(server.url), { username: 'application', password: 'of the application' }).href;
  await withClient(direct, (client) => client.query(TABLES));
  // Assent and the application have one and the same session in turn.
  pooler = await startPgBouncer([direct], { size: 1 });
}, 120_000);
afterAll(async () => {
  await pooler.stop();
  await server.stop();
});

const start = (): Promise<ServingAssent> =>
  startAssentUntil(onTestFinished, {
    DATABASE_URL: pooler.through(direct),
    BETTER_AUTH_SECRET: 'a secret of tests that is long enough',
    ASSENT_JWKS: 'off',
  });
/** A check that is answered from PostgreSQL. */
const check = (assent: ServingAssent): Promise<unknown> =>
  callJson(assent, 'CheckPermission', {
    ...{ userId: 'u', organizationId: 'o', permission: 'organization:delete' },
    consistency: 'CONSISTENCY_FULL',
  });
const connect = async (): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: pooler.through(direct) });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
};
/** The errors of so many writes of the application. */
const writes = async (client: pg.Client, count: number): Promise<readonly string[]> => {
  const errors: string[] = [];
  for (let write = 0; write < count; write += 1) {
    await client
      .query(`UPDATE users SET name = 'n' WHERE id = 'u'`)
      .catch((error: Error) => errors.push(error.message));
  }
  return errors;
};
/** Everything that one client can leave in a session for the next one. */
const stateOf = async (client: pg.Client): Promise<unknown> => {
  const { rows } = await client.query(`SELECT pg_backend_pid() AS session, pg_my_temp_schema() AS temporary,
    (SELECT json_object_agg(name, setting) FROM pg_settings) AS settings,
    (SELECT count(*) FROM pg_prepared_statements) AS prepared,
    (SELECT count(*) FROM pg_cursors) AS cursors,
    (SELECT count(*) FROM pg_listening_channels()) AS channels,
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') AS locks,
    (SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND xact_start < now() - interval '5 s'
      AND backend_type = 'client backend') AS transactions`);
  return rows;
};

it('no write of the application fails while Assent reads through the same pooled session, or after it stopped', async () => {
  const application = await connect();
  const before = await stateOf(application);
  const assent = await start();
  const during: string[] = [];
  for (let round = 0; round < 40; round += 1) {
    expect(await check(assent)).toMatchObject({ allowed: true, source: 'SOURCE_DATABASE' });
    during.push(...(await writes(application, 1)));
  }
  expect(during).toEqual([]);
  expect(await stateOf(application)).toEqual(before);
  await assent.stop();
  expect(await writes(application, 40)).toEqual([]);
  expect(await stateOf(application)).toEqual(before);
}, 60_000);

it('a database role that can write is named in the log at the start', async () => {
  const assent = await start();
  const named = expect.objectContaining({
    event: 'database.role_can_write',
    role: 'application',
    table: 'public.members',
  });
  expect(assent.logs()).toContainEqual(named);
}, 60_000);

it('a pooled session that a killed Assent was using returns to the application unchanged', async () => {
  const application = await connect();
  const before = await stateOf(application);
  const assent = await start();
  await check(assent);
  // It waits for this lock when it is killed.
  const holder = new pg.Client({ connectionString: direct });
  await holder.connect();
  await holder.query('BEGIN; LOCK TABLE members');
  const pending = check(assent).catch(() => {});
  await until('a statement that waits', async () => {
    const { rows } = await holder.query(`SELECT FROM pg_locks WHERE relation = 'members'::regclass AND NOT granted`);
    return rows.length > 0;
  });
  assent.kill('SIGKILL');
  await pending;
  await until('no statement that waits', async () => {
    const { rows } = await holder.query(`SELECT FROM pg_locks WHERE relation = 'members'::regclass AND NOT granted`);
    return rows.length === 0;
  });
  await holder.query('ROLLBACK');
  await holder.end();
  expect(await writes(application, 10)).toEqual([]);
  const [{ session: _one, ...then }] = before as [Record<string, unknown>];
  expect(await stateOf(application)).toEqual([expect.objectContaining(then)]);
}, 60_000);
