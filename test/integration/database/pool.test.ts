import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { sql } from 'slonik';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';
import { createDatabase, type Database, type PoolOptions } from '../../../src/database/pool.ts';
import { AssentError } from '../../../src/errors.ts';
import { startPostgres, withClient } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { testDatabase } from '../../support/database.ts';
import { portOf } from '../../support/port-of.ts';
import { until } from '../../support/until.ts';

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
  it('are given read-only transactions with a bound, of which they keep nothing', async () => {
    const database = create({ size: 1 });
    await expect(database.rows(sql.unsafe`CREATE TABLE t (n int)`, one)).rejects.toThrow(/read-only transaction/);
    const settings = sql.unsafe`SELECT current_setting('transaction_read_only') AS "readOnly",
      current_setting('statement_timeout') AS timeout, (SELECT json_agg(name ORDER BY name) FROM pg_settings
        WHERE source = 'session' AND name NOT LIKE 'transaction%') AS changed,
      (SELECT json_agg(reset_val) FROM pg_settings WHERE name = 'statement_timeout') AS after`;
    expect(await database.rows(settings, z.record(z.string(), z.unknown()))).toEqual([
      { readOnly: 'on', timeout: '1s', changed: ['statement_timeout'], after: ['0'] },
    ]);
  });

  it('are looked at once per connection: a statement is one round trip', async () => {
    const database = create({ size: 1 });
    await select(database);
    const backends = sql.unsafe`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database()`;
    // Counted in the driver: neither a setup nor DISCARD ALL goes before or after a statement, and it has one Sync.
    const [queries, syncs] = [vi.spyOn(pg.Client.prototype, 'query'), vi.spyOn(pg.Connection.prototype, 'sync')];
    for (let count = 0; count < 3; count += 1) expect(await database.rows(backends, one)).toEqual([{ n: 1 }]);
    expect(queries).toHaveBeenCalledTimes(3);
    expect(syncs).toHaveBeenCalledTimes(3);
    queries.mockRestore();
    syncs.mockRestore();
  });
});

describe('prepared statements', () => {
  const count = (database: Database) =>
    database.rows(sql.unsafe`SELECT count(*)::int AS n FROM pg_prepared_statements`, one);

  it('are what every statement is sent as', async () => {
    const database = create({ size: 1 });
    await select(database);
    await select(database);
    // With the one that begins a transaction; the statement that counts is prepared when it runs.
    expect(await count(database)).toEqual([{ n: 3 }]);
  });

  it('are done without where a pooler mixes sessions', async () => {
    const onUnprepared = vi.fn();
    const database = create({ size: 1, onUnprepared });
    await select(database);
    // What the client thinks prepared is not in the session that it gets next.
    await database.rows(sql.unsafe`DEALLOCATE ALL`, one);
    expect(await select(database)).toEqual([{ n: 1 }]);
    expect(await count(database)).toEqual([{ n: 0 }]);
    expect(onUnprepared).toHaveBeenCalledTimes(1);
  });

  it('of another client in the same session do no harm', async () => {
    const database = create({ size: 1 });
    const [{ text } = { text: '' }] = await database.rows(
      sql.unsafe`SELECT name AS text FROM pg_prepared_statements`,
      z.object({ text: z.string() }),
    );
    await database.end();
    const onUnprepared = vi.fn();
    const second = create({ size: 1, onUnprepared });
    await second.rows(sql.unsafe`PREPARE ${sql.identifier([text])} AS SELECT 2`, one);
    await second.rows(sql.unsafe`SELECT name AS text FROM pg_prepared_statements`, z.object({ text: z.string() }));
    expect(onUnprepared).toHaveBeenCalledTimes(1);
  });

  it('of tables that changed are prepared anew', async () => {
    const change = (statement: string) => withClient(own.url, (client) => client.query(statement));
    await change('CREATE TABLE shape (n int); INSERT INTO shape VALUES (7)');
    const onUnprepared = vi.fn();
    const database = create({ size: 1, onUnprepared });
    const read = () => database.rows(sql.unsafe`SELECT n FROM shape`, z.object({ n: z.unknown() }));
    expect(await read()).toEqual([{ n: 7 }]);
    await change('ALTER TABLE shape ALTER n TYPE text');
    expect(await read()).toEqual([{ n: '7' }]);
    expect(await read()).toEqual([{ n: '7' }]);
    expect(onUnprepared).not.toHaveBeenCalled();
  });
});

describe('a connection', () => {
  const again = async (database: Database): Promise<string> => {
    let last = 'no';
    for (let tries = 0; tries < 10 && last !== 'OK'; tries += 1) last = await codeOf(select(database));
    return last;
  };
  /** A way to PostgreSQL on which `atSetup` has each request that sets a session up. */
  const startWay = async (atSetup: (client: Socket, forward: () => void) => void) => {
    const target = portOf(inject('postgresUrl'));
    const server = createServer((client) => {
      const upstream = connect(target, '127.0.0.1');
      upstream.pipe(client);
      client.on('data', (bytes) => {
        if (bytes.includes('pg_is_in_recovery')) atSetup(client, () => upstream.write(bytes));
        else upstream.write(bytes);
      });
      client.on('close', () => upstream.destroy()).on('error', () => {});
      upstream.on('close', () => client.destroy()).on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: through(own.url, server.address() as AddressInfo), close: () => server.close() };
  };

  // An error of a connection that nobody listens to would end the process; here it fails the run.
  it('that ends while it is idle ends nothing else', async () => {
    const database = create({ size: 1 });
    const [session] = await database.rows(sql.unsafe`SELECT pg_backend_pid() AS n`, one);
    await withClient(own.url, (client) => client.query('SELECT pg_terminate_backend($1, 1000)', [session?.n]));
    expect(await again(database)).toBe('OK');
  });

  it('that ends while its session is set up ends nothing else', async () => {
    let broken = true;
    const way = await startWay((client, forward) => {
      if (broken) client.resetAndDestroy();
      else forward();
    });
    const database = create({ url: way.url, size: 1 });
    expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    broken = false;
    expect(await again(database)).toBe('OK');
    await database.end();
    way.close();
  });

  it('that falls silent while its session is set up does not keep its place in the pool', async () => {
    const held: { readonly client: Socket; readonly forward: () => void }[] = [];
    let silent = true;
    const way = await startWay((client, forward) => {
      if (silent) held.push({ client, forward });
      else forward();
    });
    const database = create({ url: way.url, size: 1, statementTimeoutMs: 300 });
    expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    silent = false;
    expect(await again(database)).toBe('OK');
    await until('what was waited for in vain is closed', () => held.every(({ client }) => client.destroyed));
    // Nor does it matter what becomes of it.
    for (const { client, forward } of held) {
      forward();
      client.resetAndDestroy();
    }
    await database.end();
    way.close();
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

  it('that a change of the tables stood in the way of is to be tried again', async () => {
    const settings = (url: string, ...names: readonly string[]) =>
      `${url}?options=${encodeURIComponent(names.map((name) => `-c ${name}=50`).join(' '))}`;
    await withClient(own.url, async (client) => {
      await client.query('CREATE TABLE one (n int); CREATE TABLE two (n int)');
      await client.query('BEGIN; LOCK TABLE two');
      const read = (database: Database) => codeOf(database.rows(sql.unsafe`SELECT one.n FROM one, two`, one));
      expect(await read(create({ url: settings(own.url, 'lock_timeout') }))).toBe('DATABASE_UNAVAILABLE');
      const deadlocked = read(create({ url: settings(own.url, 'deadlock_timeout') }));
      await until('a reader in line', async () => {
        const { rows } = await client.query(`SELECT FROM pg_locks WHERE relation = 'one'::regclass AND granted`);
        return rows.length > 0;
      });
      await client.query('LOCK TABLE one; COMMIT');
      expect(await deadlocked).toBe('DATABASE_UNAVAILABLE');
    });
  });

  // By its message it could be a fault of the server.
  const LEFT = new Error('the connection was closed');

  it('whose caller has gone is cancelled on the server, and is no fault of it', async () => {
    const database = create({ size: 1, statementTimeoutMs: 60_000 });
    await withClient(own.url, async (client) => {
      await client.query('CREATE TABLE held (n int)');
      await client.query('BEGIN; LOCK TABLE held');
      // Of a session of its own: in a transaction the view stays as it was.
      const heldUp = async () => {
        const { rows } = await withClient(own.url, (watcher) =>
          watcher.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
        );
        return rows.length;
      };
      const leaving = new AbortController();
      const left = database.rows(sql.unsafe`SELECT n FROM held`, one, leaving.signal);
      await until('it is held up', async () => (await heldUp()) === 1);
      leaving.abort(LEFT);
      await expect(left).rejects.toBe(LEFT);
      await until('it is gone', async () => (await heldUp()) === 0);
    });
    expect(await select(database)).toEqual([{ n: 1 }]);
    expect(faults).toEqual([]);
  });

  it('that ends soon after its caller has gone keeps its connection', async () => {
    const database = create({ size: 1 });
    const session = (signal?: AbortSignal) => database.rows(sql.unsafe`SELECT pg_backend_pid() AS n`, one, signal);
    const before = await session();
    // It is not cancelled in this test, however busy the machine is.
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const leaving = new AbortController();
    const send = pg.Client.prototype.query;
    const queries = vi.spyOn(pg.Client.prototype, 'query').mockImplementationOnce(function (this: pg.Client, ...args) {
      leaving.abort(LEFT);
      return Reflect.apply(send, this, args);
    });
    try {
      await expect(session(leaving.signal)).rejects.toBe(LEFT);
      expect(await session()).toEqual(before);
      expect(queries).toHaveBeenCalledTimes(2);
    } finally {
      vi.useRealTimers();
      queries.mockRestore();
    }
  });

  it('whose caller has gone before it is asked for does not begin', async () => {
    const database = create({ size: 1 });
    await expect(database.rows(sql.unsafe`SELECT 1 AS n`, one, AbortSignal.abort(LEFT))).rejects.toBe(LEFT);
    expect(database.pending()).toBe(0);
  });
  it.each(["SELECT 'x", 'SELECT "connection', 'SELECT disclosed FROM (SELECT) AS t'])(
    'that PostgreSQL cannot read is a defect, not an outage: %s',
    async (text) => {
      const statement = { ...sql.unsafe``, sql: text };
      expect(await codeOf(create().rows(statement, one))).toMatch(/^not an AssentError/);
    },
  );

  it('whose row has another shape is a defect, not an outage', async () => {
    const database = create();
    await expect(database.rows(sql.unsafe`SELECT 'x' AS n`, one)).rejects.toThrow(z.ZodError);
    expect(faults).toEqual([]);
  });
});

describe('PostgreSQL', () => {
  it('that is not there makes UNAVAILABLE, and works once it is', async () => {
    const proxy = await startProxy(portOf(inject('postgresUrl')));
    proxy.setMode('refuse');
    const database = create({ url: through(own.url, proxy) });
    expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    proxy.setMode('pass');
    expect(await codeOf(select(database))).toBe('OK');
    await database.end();
    await proxy.close();
  });

  it('that vanishes without a word is given up in time, and found again', async () => {
    const proxy = await startProxy(portOf(inject('postgresUrl')));
    const database = create({ url: through(own.url, proxy), statementTimeoutMs: 300 });
    // What is under test begins with a connection, which a busy machine may make in more than one go.
    await until('a connection', async () => (await codeOf(select(database))) === 'OK');
    proxy.setMode('stall');
    // Within this test's time, which ends long before a network gives such a connection up.
    expect(await codeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    proxy.cut();
    proxy.setMode('pass');
    let recovered = 'no';
    // How many tries it takes depends on which connections had been open; that they end does not.
    for (let tries = 0; tries < 10 && recovered !== 'OK'; tries += 1) recovered = await codeOf(select(database));
    expect(recovered).toBe('OK');
    await database.end();
    await proxy.close();
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
