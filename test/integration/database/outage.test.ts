/** Reads that are given up while PostgreSQL is out of reach leave nothing behind in the pool. */
import { type DatabasePool, sql } from 'slonik';
import { afterEach, describe, expect, inject, it, vi } from 'vitest';
import { z } from 'zod';
import { createDatabase, type Database } from '../../../src/database/pool.ts';
import { startProxy, type TcpProxy, through } from '../../../tools/network/proxy.ts';
import { outcomeOf } from '../../support/database/reads.ts';
import { testDatabase } from '../../support/database.ts';
import { portOf } from '../../support/port-of.ts';

// slonik itself. The test keeps its pools, to count the clients that wait in them and the connections asked for.
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
    overloadWaitMs: 1_000,
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
/** The different outcomes of this number of concurrent reads. */
const outcomes = async (count: number): Promise<readonly string[]> => [
  ...new Set(await Promise.all(Array.from({ length: count }, () => outcomeOf(read())))),
];
const waitingInSlonik = () => pools.map((pool) => pool.state().waitingClients);
const connects = () => pools.reduce((sum, pool) => sum + vi.mocked(pool.connect).mock.calls.length, 0);

/**
 * Lets PostgreSQL answer again, and expects the full number of connections, opened for the present reads only. The
 * connections that fell silent stay silent, and only the pool ends them.
 */
const recover = async (): Promise<void> => {
  const before = connects();
  proxy.setMode('pass');
  const sessions = new Set<number>();
  let reads = 0;
  // The number of attempts depends on the reads that were under way; that one succeeds does not.
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

describe('reads that are given up', () => {
  it('reads that time out while PostgreSQL never answers leave no waiting client in the pool', async () => {
    await start(200);
    proxy.setMode('stall');
    for (let round = 0; round < 3; round += 1) {
      expect(await outcomes(50)).toEqual(['DATABASE_UNAVAILABLE']);
      expect(database.waiting()).toBe(0);
      expect(waitingInSlonik()).toEqual([0]);
    }
    await recover();
  });

  it('reads that time out on open connections that fell silent leave no waiting client in the pool', async () => {
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
  it('reads that wait for a connection fail at once when connections are refused', async () => {
    // Longer than a test may take: no read is given up.
    await start(60_000);
    proxy.setMode('refuse');
    expect(await outcomes(50)).toEqual(['DATABASE_UNAVAILABLE']);
    expect(faults).toHaveLength(50);
    expect(waitingInSlonik()).toEqual([0]);
    await recover();
  });

  it('reads that wait when the pool ends fail as DATABASE_UNAVAILABLE', async () => {
    await start(60_000);
    await read();
    const reads = outcomes(50);
    await database.end();
    // Reads that had a connection may have succeeded.
    expect((await reads).filter((code) => code !== 'OK')).toEqual(['DATABASE_UNAVAILABLE']);
  });
});
