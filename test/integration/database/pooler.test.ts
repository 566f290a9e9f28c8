/** Reads by way of a transaction pooler that keeps no prepared statements for its clients. */
import { sql } from 'slonik';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { createDatabase, type Database, type PoolOptions } from '../../../src/database/pool.ts';
import { AssentError } from '../../../src/errors.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import {
  type Pooler,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
  withClient,
} from '../../../tools/local-services/index.ts';
import { until } from '../../support/until.ts';

let server: PostgresServer;
let pooler: Pooler;
beforeAll(async () => {
  server = await startPostgres();
  pooler = await startPgBouncer([server.url], { size: 2 });
}, 120_000);
afterAll(async () => {
  await pooler.stop();
  await server.stop();
});

const create = (options: Partial<PoolOptions> = {}): Database => {
  const database = createDatabase({
    ...{ url: pooler.through(server.url), size: 2, statementTimeoutMs: 1_000, maxPending: 10, onFault: () => {} },
    ...options,
  });
  onTestFinished(() => database.end());
  return database;
};
const number = z.object({ n: z.number() });
const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'OK',
    (error) => (error instanceof AssentError ? error.code : error),
  );
/** What PostgreSQL's sessions do, seen by a session that no pooler has. */
const sleeping = () =>
  withClient(server.url, async (client) => {
    const { rows } = await client.query(
      `SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%pg_sleep%'`,
    );
    return rows.length;
  });

it('prepares nothing in sessions that others are given, and says so once', async () => {
  const onUnprepared = vi.fn();
  const database = create({ onUnprepared });
  const read = () => database.rows(sql.unsafe`SELECT count(*)::int AS n FROM pg_prepared_statements`, number);
  for (let round = 0; round < 5; round += 1) {
    expect(await Promise.all([read(), read(), read()])).toEqual(Array(3).fill([{ n: 0 }]));
  }
  expect(onUnprepared).toHaveBeenCalledTimes(1);
});

it('reads in a transaction that cannot write and has a bound, which the session keeps nothing of', async () => {
  const database = create();
  const row = z.record(z.string(), z.string());
  const settings = sql.unsafe`SELECT current_setting('transaction_read_only') AS "readOnly",
    current_setting('statement_timeout') AS timeout, current_setting('default_transaction_read_only') AS "default"`;
  expect(await database.rows(settings, row)).toEqual([{ readOnly: 'on', timeout: '1s', default: 'off' }]);
  await expect(database.rows(sql.unsafe`CREATE TABLE t (n int)`, row)).rejects.toThrow(/read-only transaction/);
  await withClient(pooler.through(server.url), async (client) => {
    expect((await client.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '0' }]);
    expect((await client.query('SHOW transaction_read_only')).rows).toEqual([{ transaction_read_only: 'off' }]);
  });
});

it('cancels a statement on the server when its caller has left before its bound', async () => {
  // One connection, so that the second read begins late within its caller's time.
  const database = create({ size: 1, statementTimeoutMs: 2_000 });
  const first = database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(1.5)`, number);
  const second = codeOf(database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(60)`, number));
  await first;
  expect(await second).toBe('DATABASE_UNAVAILABLE');
  await until('nothing sleeps', async () => (await sleeping()) === 0);
  expect(server.log()).toContain('canceling statement due to user request');
  expect(server.log()).not.toContain('canceling statement due to statement timeout');
  expect(await codeOf(database.rows(sql.unsafe`SELECT 1 AS n`, number))).toBe('OK');
});

it('leaves the sessions of a pooler to others when statements are given up', async () => {
  const database = create({ statementTimeoutMs: 300 });
  for (let round = 0; round < 3; round += 1) {
    const reads = [1, 2].map(() => codeOf(database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(60)`, number)));
    expect(await Promise.all(reads)).toEqual(Array(2).fill('DATABASE_UNAVAILABLE'));
  }
  await until('nothing sleeps', async () => (await sleeping()) === 0);
  await withClient(pooler.through(server.url), async (client) => {
    expect((await client.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '0' }]);
  });
});

it("looks for the tables in the role's own search path, whatever another client set in the session", async () => {
  await withClient(server.url, (client) =>
    client.query(
      ['public', 'old']
        .map(
          (schema) => `CREATE SCHEMA IF NOT EXISTS ${schema};
        CREATE TABLE ${schema}."user" (id text PRIMARY KEY, name text, email text, "emailVerified" boolean, image text,
          "createdAt" timestamptz, "updatedAt" timestamptz, role text, banned boolean, "banReason" text, "banExpires" timestamptz);
        INSERT INTO ${schema}."user" (id, banned) VALUES ('u', ${schema === 'public'});`,
        )
        .join('\n'),
    ),
  );
  const alone = await startPgBouncer([server.url], { size: 1 });
  onTestFinished(() => alone.stop());
  await withClient(alone.through(server.url), (client) => client.query('SET search_path = old'));
  const directory = directoryOf(alone.through(server.url));
  onTestFinished(() => directory.end());
  expect((await directory.schema()).user.schema).toBe('public');
  expect((await directory.facts({ userId: 'u', organizationId: null })).user?.ban).not.toBeNull();
});
