import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import pg from 'pg';
import { sql } from 'slonik';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';
import { type Caller, demandOf, ownDemand } from '../../../src/admission/demand.ts';
import type { Database, PoolOptions } from '../../../src/database/pool.ts';
import { startPostgres, withClient } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { createCaller } from '../../support/caller.ts';
import { numberRow, outcomeOf, poolOf } from '../../support/database/reads.ts';
import { testDatabase } from '../../support/database.ts';
import { portOf } from '../../support/port-of.ts';
import { until } from '../../support/until.ts';

const own = await testDatabase();
const faults: unknown[] = [];
const create = (options: Partial<PoolOptions> = {}): Database =>
  poolOf(own.url, { onFault: (error) => faults.push(error), ...options });
afterEach(() => {
  faults.length = 0;
});

const select = (database: Database) => database.rows(sql.unsafe`SELECT 1 AS n`, numberRow);

describe('a session', () => {
  it('a statement runs in a read-only transaction with a timeout, and the session keeps neither setting', async () => {
    const database = create({ size: 1 });
    await expect(database.rows(sql.unsafe`CREATE TABLE t (n int)`, numberRow)).rejects.toThrow(/read-only transaction/);
    const settings = sql.unsafe`SELECT current_setting('transaction_read_only') AS "readOnly",
      current_setting('statement_timeout') AS timeout, (SELECT json_agg(name ORDER BY name) FROM pg_settings
        WHERE source = 'session' AND name NOT LIKE 'transaction%') AS changed,
      (SELECT json_agg(reset_val) FROM pg_settings WHERE name = 'statement_timeout') AS after`;
    expect(await database.rows(settings, z.record(z.string(), z.unknown()))).toEqual([
      { readOnly: 'on', timeout: '1s', changed: ['statement_timeout'], after: ['0'] },
    ]);
  });

  it('a session is inspected once per connection, and each statement is one round trip', async () => {
    const database = create({ size: 1 });
    await select(database);
    const backends = sql.unsafe`SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database()`;
    // Counted in pg: no set-up and no DISCARD ALL is sent before or after a statement, and each statement has one Sync.
    const [queries, syncs] = [vi.spyOn(pg.Client.prototype, 'query'), vi.spyOn(pg.Connection.prototype, 'sync')];
    for (let count = 0; count < 3; count += 1) expect(await database.rows(backends, numberRow)).toEqual([{ n: 1 }]);
    expect(queries).toHaveBeenCalledTimes(3);
    expect(syncs).toHaveBeenCalledTimes(3);
    queries.mockRestore();
    syncs.mockRestore();
  });
});

describe('prepared statements', () => {
  const count = (database: Database) =>
    database.rows(sql.unsafe`SELECT count(*)::int AS n FROM pg_prepared_statements`, numberRow);

  it('every statement is sent as a prepared statement', async () => {
    const database = create({ size: 1 });
    await select(database);
    await select(database);
    // The guard of the transaction, `SELECT 1` and the statement that counts.
    expect(await count(database)).toEqual([{ n: 3 }]);
  });

  it('nothing is prepared any more once a pooler mixes sessions, and that is reported once', async () => {
    const onUnprepared = vi.fn();
    const database = create({ size: 1, onUnprepared });
    await select(database);
    // As if a pooler gave the client another session: its statements are not prepared there.
    await database.rows(sql.unsafe`DEALLOCATE ALL`, numberRow);
    expect(await select(database)).toEqual([{ n: 1 }]);
    expect(await count(database)).toEqual([{ n: 0 }]);
    expect(onUnprepared).toHaveBeenCalledTimes(1);
  });

  it('a statement that another client has prepared in the session under the same name does no harm', async () => {
    const database = create({ size: 1 });
    const [{ text } = { text: '' }] = await database.rows(
      sql.unsafe`SELECT name AS text FROM pg_prepared_statements`,
      z.object({ text: z.string() }),
    );
    await database.end();
    const onUnprepared = vi.fn();
    const second = create({ size: 1, onUnprepared });
    await second.rows(sql.unsafe`PREPARE ${sql.identifier([text])} AS SELECT 2`, numberRow);
    await second.rows(sql.unsafe`SELECT name AS text FROM pg_prepared_statements`, z.object({ text: z.string() }));
    expect(onUnprepared).toHaveBeenCalledTimes(1);
  });

  it('a statement is prepared anew after its table has changed', async () => {
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
    for (let tries = 0; tries < 10 && last !== 'OK'; tries += 1) last = await outcomeOf(select(database));
    return last;
  };
  /** A proxy of PostgreSQL that gives each request that inspects a new session to `atSetup`. */
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

  // An `error` event without a listener would end the process; here it fails the test run.
  it('a connection that ends while it is idle does not end the process, and a new one takes its place', async () => {
    const database = create({ size: 1 });
    const [session] = await database.rows(sql.unsafe`SELECT pg_backend_pid() AS n`, numberRow);
    await withClient(own.url, (client) => client.query('SELECT pg_terminate_backend($1, 1000)', [session?.n]));
    expect(await again(database)).toBe('OK');
  });

  it('a connection that ends during its set-up does not end the process, and a new one takes its place', async () => {
    let broken = true;
    const way = await startWay((client, forward) => {
      if (broken) client.resetAndDestroy();
      else forward();
    });
    const database = create({ url: way.url, size: 1 });
    expect(await outcomeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    broken = false;
    expect(await again(database)).toBe('OK');
    await database.end();
    way.close();
  });

  it('a connection that falls silent during its set-up does not keep its place in the pool', async () => {
    const held: { readonly client: Socket; readonly forward: () => void }[] = [];
    let silent = true;
    const way = await startWay((client, forward) => {
      if (silent) held.push({ client, forward });
      else forward();
    });
    const database = create({ url: way.url, size: 1, statementTimeoutMs: 300 });
    expect(await outcomeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    silent = false;
    expect(await again(database)).toBe('OK');
    await until('the silent connections are closed', () => held.every(({ client }) => client.destroyed));
    // A late answer or a reset of a closed connection has no effect.
    for (const { client, forward } of held) {
      forward();
      client.resetAndDestroy();
    }
    await database.end();
    way.close();
  });
});

describe('a statement', () => {
  it('a statement that takes too long fails, and its connection is dropped', async () => {
    const database = create({ statementTimeoutMs: 1_000, size: 1 });
    expect(await outcomeOf(database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(5)`, numberRow))).toBe(
      'DATABASE_UNAVAILABLE',
    );
    expect(await outcomeOf(select(database))).toBe('OK');
  });

  it('calls without a turn are refused as OVERLOADED while more statements come than PostgreSQL answers', async () => {
    const reasons: string[] = [];
    const database = create({ size: 1, overloadWaitMs: 20, onRefused: (reason) => reasons.push(reason) });
    const slow = () =>
      outcomeOf(database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(0.1)`, numberRow, demandOf(createCaller())));
    const outcomes = await Promise.all(Array.from({ length: 100 }, slow));
    expect([...new Set(outcomes)].toSorted()).toEqual(['OK', 'OVERLOADED']);
    expect([...new Set(reasons)]).toEqual(['overload']);
    expect(database.waiting()).toBe(0);
    expect(await slow()).toBe('OK');
  });

  it('a statement of another caller does not wait for a batch that came before it', async () => {
    const database = create({ size: 1 });
    const order: string[] = [];
    const run = async (name: string, caller: Caller): Promise<void> => {
      await database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(0.01)`, numberRow, demandOf(caller));
      order.push(name);
    };
    const batch = createCaller({ name: 'a' });
    const checks = Array.from({ length: 50 }, () => run('batch', batch));
    const singles = ['a', 'b'].map((name) => run(`single of ${name}`, createCaller({ name })));
    await Promise.all([...checks, ...singles]);
    expect(order.slice(0, 6).toSorted().slice(-2)).toEqual(['single of a', 'single of b']);
  });

  it('a statement that has had no turn fails as DATABASE_UNAVAILABLE while nothing is answered', async () => {
    const reasons: string[] = [];
    const database = create({ size: 1, statementTimeoutMs: 300, onRefused: (reason) => reasons.push(reason) });
    const hung = Array.from({ length: 3 }, () =>
      outcomeOf(database.rows(sql.unsafe`SELECT 1 AS n FROM pg_sleep(5)`, numberRow)),
    );
    expect(new Set(await Promise.all(hung))).toEqual(new Set(['DATABASE_UNAVAILABLE']));
    expect(reasons).toContain('stalled');
  });

  it('a statement that the locks of a migration stop fails as DATABASE_UNAVAILABLE, by lock_timeout or a deadlock', async () => {
    const settings = (url: string, ...names: readonly string[]) =>
      `${url}?options=${encodeURIComponent(names.map((name) => `-c ${name}=50`).join(' '))}`;
    await withClient(own.url, async (client) => {
      await client.query('CREATE TABLE one (n int); CREATE TABLE two (n int)');
      await client.query('BEGIN; LOCK TABLE two');
      const read = (database: Database) => outcomeOf(database.rows(sql.unsafe`SELECT one.n FROM one, two`, numberRow));
      expect(await read(create({ url: settings(own.url, 'lock_timeout') }))).toBe('DATABASE_UNAVAILABLE');
      const deadlocked = read(create({ url: settings(own.url, 'deadlock_timeout') }));
      await until('the read holds one lock', async () => {
        const { rows } = await client.query(`SELECT FROM pg_locks WHERE relation = 'one'::regclass AND granted`);
        return rows.length > 0;
      });
      await client.query('LOCK TABLE one; COMMIT');
      expect(await deadlocked).toBe('DATABASE_UNAVAILABLE');
    });
  });

  // A reason that reads like a fault of the server.
  const LEFT = new Error('the connection was closed');

  it('a statement whose caller leaves is cancelled on the server, and is not reported as a fault', async () => {
    const database = create({ size: 1, statementTimeoutMs: 60_000 });
    await withClient(own.url, async (client) => {
      await client.query('CREATE TABLE held (n int)');
      await client.query('BEGIN; LOCK TABLE held');
      // In a separate session: within a transaction pg_stat_activity does not change.
      const heldUp = async () => {
        const { rows } = await withClient(own.url, (watcher) =>
          watcher.query("SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"),
        );
        return rows.length;
      };
      const leaving = new AbortController();
      const left = database.rows(sql.unsafe`SELECT n FROM held`, numberRow, ownDemand(leaving.signal));
      await until('the statement waits for the lock', async () => (await heldUp()) === 1);
      leaving.abort(LEFT);
      await expect(left).rejects.toBe(LEFT);
      await until('the statement no longer waits', async () => (await heldUp()) === 0);
    });
    expect(await select(database)).toEqual([{ n: 1 }]);
    expect(faults).toEqual([]);
  });

  it('a statement that ends soon after its caller left keeps its connection', async () => {
    const database = create({ size: 1 });
    const session = (signal?: AbortSignal) =>
      database.rows(sql.unsafe`SELECT pg_backend_pid() AS n`, numberRow, ownDemand(signal));
    const before = await session();
    // The cancellation never comes due in this test, however busy the machine is.
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

  it('a statement whose caller left before does not begin', async () => {
    const database = create({ size: 1 });
    await expect(database.rows(sql.unsafe`SELECT 1 AS n`, numberRow, ownDemand(AbortSignal.abort(LEFT)))).rejects.toBe(
      LEFT,
    );
    expect(database.waiting()).toBe(0);
  });
  it.each(["SELECT 'x", 'SELECT "connection', 'SELECT disclosed FROM (SELECT) AS t'])(
    'a statement that PostgreSQL cannot parse is a defect and not an outage: %s',
    async (text) => {
      const statement = { ...sql.unsafe``, sql: text };
      expect(await outcomeOf(create().rows(statement, numberRow))).toMatch(/^not an AssentError/);
    },
  );

  it('a row of an unexpected shape is a defect and not an outage', async () => {
    const database = create();
    await expect(database.rows(sql.unsafe`SELECT 'x' AS n`, numberRow)).rejects.toThrow(z.ZodError);
    expect(faults).toEqual([]);
  });
});

describe('the server', () => {
  it('reads fail as DATABASE_UNAVAILABLE while PostgreSQL refuses connections, and succeed afterwards', async () => {
    const proxy = await startProxy(portOf(inject('postgresUrl')));
    proxy.setMode('refuse');
    const database = create({ url: through(own.url, proxy) });
    expect(await outcomeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    proxy.setMode('pass');
    expect(await outcomeOf(select(database))).toBe('OK');
    await database.end();
    await proxy.close();
  });

  it('reads of a PostgreSQL that stops answering fail in time, and succeed once it answers', async () => {
    const proxy = await startProxy(portOf(inject('postgresUrl')));
    const database = create({ url: through(own.url, proxy), statementTimeoutMs: 300 });
    // The test begins with a connection. On a busy machine it may take several attempts.
    await until('a connection', async () => (await outcomeOf(select(database))) === 'OK');
    proxy.setMode('stall');
    // Within the time of this test, which ends long before TCP gives the connection up.
    expect(await outcomeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
    proxy.cut();
    proxy.setMode('pass');
    let recovered = 'no';
    // The number of attempts depends on which connections were open; that one succeeds does not.
    for (let tries = 0; tries < 10 && recovered !== 'OK'; tries += 1) recovered = await outcomeOf(select(database));
    expect(recovered).toBe('OK');
    await database.end();
    await proxy.close();
  });

  it('a standby is refused', async () => {
    const standby = await startPostgres({ standby: true });
    try {
      const database = create({ url: standby.url });
      expect(await outcomeOf(select(database))).toBe('DATABASE_UNAVAILABLE');
      expect(faults.map(String).join()).toContain('in recovery');
      await database.end();
    } finally {
      await standby.stop();
    }
  });
});
