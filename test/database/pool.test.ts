import { type AddressInfo, connect, createServer } from 'node:net';
import pg from 'pg';
import { sql } from 'slonik';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';
import { createDatabase, type Database, type PoolOptions } from '../../src/database/pool.ts';
import { AssentError } from '../../src/errors.ts';
import { testDatabase } from '../support/database.ts';
import { startProxy, through } from '../support/proxy.ts';
import { startPostgres } from '../support/services/index.ts';

const own = await testDatabase();
const faults: unknown[] = [];
const open: Database[] = [];
const create = (options: Partial<PoolOptions> = {}): Database => {
  const database = createDatabase({
    url: own.url,
    size: 2,
    statementTimeoutMs: 1_000,
    maxPending: 10,
    onFault: (error) => faults.push(error),
    ...options,
  });
  open.push(database);
  return database;
};
afterEach(async () => {
  await Promise.all(open.splice(0).map((database) => database.end()));
  faults.length = 0;
});

const one = z.object({ n: z.number() });
const select = (database: Database) => database.rows(sql.unsafe`SELECT 1 AS n`, one);
const codeOf = async (work: Promise<unknown>): Promise<string> => {
  try {
    await work;
    return 'OK';
  } catch (error) {
    return error instanceof AssentError ? error.code : `not an AssentError: ${String(error)}`;
  }
};

describe('sessions', () => {
  it('cannot write', async () => {
    const database = create();
    await expect(database.rows(sql.unsafe`CREATE TABLE t (n int)`, one)).rejects.toThrow(/read-only transaction/);
    const settings = sql.unsafe`SELECT current_setting('default_transaction_read_only') AS readonly, current_setting('statement_timeout') AS timeout`;
    expect(await database.rows(settings, z.object({ readonly: z.string(), timeout: z.string() }))).toEqual([
      { readonly: 'on', timeout: '1s' },
    ]);
  });

  it('are set up once per connection: a statement is one round trip', async () => {
    const database = create({ size: 1 });
    await select(database);
    const backends = sql.unsafe`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database()`;
    // Counted in the driver: neither a setup nor DISCARD ALL goes before or after a statement.
    const queries = vi.spyOn(pg.Client.prototype, 'query');
    for (let count = 0; count < 3; count += 1) expect(await database.rows(backends, one)).toEqual([{ n: 1 }]);
    expect(queries).toHaveBeenCalledTimes(3);
    queries.mockRestore();
  });
});

describe('a statement', () => {
  it('that takes too long is given up, and its connection is dropped', async () => {
    const database = create({ statementTimeoutMs: 1_000, size: 1 });
    expect(await codeOf(database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(5)`, one))).toBe('DATABASE_UNAVAILABLE');
    expect(await codeOf(select(database))).toBe('OK');
  });

  it('that finds too many waiting is refused', async () => {
    const database = create({ maxPending: 2 });
    const slow = () => database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(0.3)`, one);
    const [first, second, third] = [slow(), slow(), codeOf(slow())];
    expect(await third).toBe('OVERLOADED');
    await Promise.all([first, second]);
    expect(database.pending()).toBe(0);
  });

  it('whose row has another shape is a defect, not an outage', async () => {
    const database = create();
    await expect(database.rows(sql.unsafe`SELECT 'x' AS n`, one)).rejects.toThrow(z.ZodError);
    expect(faults).toEqual([]);
  });
});

describe('PostgreSQL', () => {
  it('that is not there makes UNAVAILABLE, and works once it is', async () => {
    const proxy = await startProxy(Number(new URL(inject('postgresUrl')).port));
    proxy.setMode('refuse');
    const database = create({ url: through(own.url, proxy) });
    expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    proxy.setMode('pass');
    expect(await codeOf(select(database))).toBe('OK');
    await database.end();
    await proxy.close();
  });

  it('that vanishes without a word is given up in time, and found again', async () => {
    const proxy = await startProxy(Number(new URL(inject('postgresUrl')).port));
    const database = create({ url: through(own.url, proxy), statementTimeoutMs: 300 });
    await select(database);
    proxy.setMode('stall');
    const began = performance.now();
    expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    expect(performance.now() - began).toBeLessThan(2_000);
    proxy.cut();
    proxy.setMode('pass');
    let recovered = 'no';
    // How many tries it takes depends on which connections had been open; that they end does not.
    for (let tries = 0; tries < 10 && recovered !== 'OK'; tries += 1) recovered = await codeOf(select(database));
    expect(recovered).toBe('OK');
    await database.end();
    await proxy.close();
  });

  it.each([
    ['the pool opens', 'pg_type'],
    ['a session is set up', 'pg_is_in_recovery'],
  ])('that falls silent while %s does not keep its place in the pool', async (_, statement) => {
    const target = Number(new URL(inject('postgresUrl')).port);
    const held: (() => void)[] = [];
    let silent = true;
    const server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1');
      upstream.pipe(client);
      client.on('data', (bytes) => {
        if (silent && bytes.includes(statement)) held.push(() => upstream.write(bytes));
        else upstream.write(bytes);
      });
      client.on('close', () => upstream.destroy()).on('error', () => {});
      upstream.on('close', () => client.destroy()).on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const database = create({ url: through(own.url, { port }), size: 1, statementTimeoutMs: 300 });
    expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    silent = false;
    let recovered = 'no';
    for (let tries = 0; tries < 10 && recovered !== 'OK'; tries += 1) recovered = await codeOf(select(database));
    expect(recovered).toBe('OK');
    // What was waited for in vain is closed when it comes after all: a connection left open would fail this file.
    for (const release of held) release();
    await database.end();
    server.close();
  });

  it('that is a standby is refused', async () => {
    const standby = await startPostgres({ standby: true });
    try {
      const database = create({ url: standby.url });
      expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
      expect(faults.map(String).join()).toContain('in recovery');
      await database.end();
    } finally {
      await standby.stop();
    }
  });
});
