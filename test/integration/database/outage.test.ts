/** What those leave behind who waited in vain for PostgreSQL: nothing. */
import { type DatabasePool, sql } from 'slonik';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';
import { createDatabase, type Database } from '../../../src/database/pool.ts';
import { AssentError } from '../../../src/errors.ts';
import { startProxy, type TcpProxy, through } from '../../../tools/network/proxy.ts';
import { testDatabase } from '../../support/database.ts';
import { portOf } from '../../support/port-of.ts';

// slonik as it is; its pools are kept hold of, to see who waits in them and who asks them for a connection.
const pools = vi.hoisted((): DatabasePool[] => []);
vi.mock('slonik', async (original) => {
  const slonik = await original<typeof import('slonik')>();
  const createPool: typeof slonik.createPool = async (...options) => {
    const pool = await slonik.createPool(...options);
    vi.spyOn(pool, 'connect');
    pools.push(pool);
    return pool;
  };
  return { ...slonik, createPool };
});

const SIZE = 3;
const own = await testDatabase();
const faults: unknown[] = [];
let proxy: TcpProxy;
let database: Database;
const start = async (statementTimeoutMs: number): Promise<void> => {
  proxy = await startProxy(portOf(inject('postgresUrl')));
  database = createDatabase({
    url: through(own.url, proxy),
    size: SIZE,
    statementTimeoutMs,
    maxPending: 100,
    onFault: (error) => faults.push(error),
  });
};
afterEach(async () => {
  await database.end();
  await proxy.close();
  pools.length = 0;
  faults.length = 0;
});

const session = z.object({ pid: z.number() });
const read = () => database.rows(sql.unsafe`SELECT pg_backend_pid() AS pid`, session);
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'OK',
    (error) => (error instanceof AssentError ? error.code : String(error)),
  );
/** What became of so many reads at once. */
const outcomes = async (count: number): Promise<readonly string[]> => [
  ...new Set(await Promise.all(Array.from({ length: count }, () => codeOf(read())))),
];
const waitingInSlonik = () => pools.map((pool) => pool.state().waitingClients);
const connects = () => pools.reduce((sum, pool) => sum + vi.mocked(pool.connect).mock.calls.length, 0);

/**
 * PostgreSQL is back, and with it as many connections as there may be, for who asks now and nobody else. The connections
 * that fell silent stay so, and nobody ends them but the pool.
 */
const recover = async (): Promise<void> => {
  const before = connects();
  proxy.setMode('pass');
  const sessions = new Set<number>();
  let reads = 0;
  // How many it takes depends on what was under way; that it comes to an end does not.
  for (let tries = 0; tries < 20 && sessions.size < SIZE; tries += 1) {
    sessions.clear();
    reads += SIZE;
    for (const result of await Promise.allSettled(Array.from({ length: SIZE }, read))) {
      if (result.status === 'fulfilled') for (const { pid } of result.value) sessions.add(pid);
    }
  }
  expect(sessions.size).toBe(SIZE);
  expect(connects() - before).toBeLessThanOrEqual(reads);
};

describe('reads that were given up', () => {
  it('while PostgreSQL said nothing from the start are gone', async () => {
    await start(200);
    proxy.setMode('stall');
    for (let round = 0; round < 3; round += 1) {
      expect(await outcomes(50)).toEqual(['DATABASE_UNAVAILABLE']);
      expect(database.pending()).toBe(0);
      expect(waitingInSlonik()).toEqual([0]);
    }
    await recover();
  });

  it('while connections that had been open said nothing are gone', async () => {
    await start(500);
    expect(await outcomes(SIZE)).toEqual(['OK']);
    proxy.setMode('stall');
    for (let round = 0; round < 2; round += 1) {
      expect(await outcomes(50)).toEqual(['DATABASE_UNAVAILABLE']);
      expect(waitingInSlonik()).toEqual([0]);
    }
    await recover();
  });
});

describe('reads that wait', () => {
  it('fail when connections are refused, rather than wait in vain', async () => {
    // Nothing here is given up: a test may not take that long.
    await start(60_000);
    proxy.setMode('refuse');
    expect(await outcomes(50)).toEqual(['DATABASE_UNAVAILABLE']);
    expect(faults).toHaveLength(50);
    expect(waitingInSlonik()).toEqual([0]);
    await recover();
  });

  it('when the database ends are told that it is not available', async () => {
    await start(60_000);
    await read();
    const reads = outcomes(50);
    await database.end();
    // Those that had a connection may have been answered.
    expect((await reads).filter((code) => code !== 'OK')).toEqual(['DATABASE_UNAVAILABLE']);
  });
});
