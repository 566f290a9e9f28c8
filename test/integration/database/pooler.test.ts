/** Reads through a transaction pooler that keeps no prepared statements for its clients. */
import { sql } from 'slonik';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { z } from 'zod';
import { ownDemand } from '../../../src/admission/demand.ts';
import type { Database, PoolOptions } from '../../../src/database/pool.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import {
  type Pooler,
  type PostgresServer,
  startPgBouncer,
  startPostgres,
  withClient,
} from '../../../tools/local-services/index.ts';
import { numberRow, outcomeOf, poolOf } from '../../support/database/reads.ts';
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

const create = (options: Partial<PoolOptions> = {}): Database => poolOf(pooler.through(server.url), options);
/** How many sessions run `pg_sleep`, counted by a connection without the pooler. */
const sleeping = () =>
  withClient(server.url, async (client) => {
    const { rows } = await client.query(
      `SELECT FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%pg_sleep%'`,
    );
    return rows.length;
  });

it('nothing is prepared in the sessions of a transaction pooler, and that is reported once', async () => {
  const onUnprepared = vi.fn();
  const database = create({ onUnprepared });
  const read = () => database.rows(sql.unsafe`SELECT count(*)::int AS n FROM pg_prepared_statements`, numberRow);
  for (let round = 0; round < 5; round += 1) {
    expect(await Promise.all([read(), read(), read()])).toEqual(Array(3).fill([{ n: 0 }]));
  }
  expect(onUnprepared).toHaveBeenCalledTimes(1);
});

it('a read runs in a read-only transaction with a timeout, and the session of the pooler keeps neither setting', async () => {
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

it('a statement whose call ends is cancelled on the server through the pooler, before the timeout of the server', async () => {
  const database = create({ size: 1, statementTimeoutMs: 5_000 });
  const ended = new AbortController();
  const read = outcomeOf(
    database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(60)`, numberRow, ownDemand(ended.signal)),
  );
  await until('the statement runs', async () => (await sleeping()) === 1);
  ended.abort(new Error('the call has ended'));
  expect(await read).toContain('the call has ended');
  await until('nothing sleeps', async () => (await sleeping()) === 0);
  expect(server.log()).toContain('canceling statement due to user request');
  expect(server.log()).not.toContain('canceling statement due to statement timeout');
  expect(await outcomeOf(database.rows(sql.unsafe`SELECT 1 AS n`, numberRow))).toBe('OK');
});

it('statements that are given up leave the sessions of the pooler free for others', async () => {
  const database = create({ statementTimeoutMs: 300 });
  for (let round = 0; round < 3; round += 1) {
    const reads = [1, 2].map(() => outcomeOf(database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(60)`, numberRow)));
    expect(await Promise.all(reads)).toEqual(Array(2).fill('DATABASE_UNAVAILABLE'));
  }
  await until('nothing sleeps', async () => (await sleeping()) === 0);
  await withClient(pooler.through(server.url), async (client) => {
    expect((await client.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '0' }]);
  });
});

it("the tables are looked for in the role's own search path, even if another client has set one in the session", async () => {
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
