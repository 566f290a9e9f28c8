/** Loads that are shared, that hang and that fail. Time is the test's own. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { FactsReading } from '../../src/cache/facts-cache.ts';
import type { LoadedFacts } from '../../src/cache/facts-loader.ts';
import { createFlights, type Flights } from '../../src/cache/flights.ts';
import { createPositions, type Positions, type Stamp } from '../../src/cache/positions.ts';
import type { Facts } from '../../src/permission/facts.ts';
import {
  createReplica,
  createTestClock,
  createTestRedis,
  EPOCH,
  factsOf,
  KEY,
  LOAD_TIMEOUT_MS,
  type Replica,
} from './harness.ts';

const OTHER = { userId: 'v', organizationId: 'o' };
const REMOVED = { kind: 'pair', userId: 'u', organizationId: 'o' } as const;
/** Lets everything that can go on go on, without time passing. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a load', () => {
  const clock = createTestClock();
  let reads: PromiseWithResolvers<Facts>[];
  let redis: ReturnType<typeof createTestRedis>;
  let replica: Replica;
  const read = async (full = false): Promise<FactsReading> => replica.cache.read(KEY, full);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    reads = [];
    redis = createTestRedis();
    replica = createReplica({
      clock,
      redis: redis.store,
      read: () => {
        const pending = Promise.withResolvers<Facts>();
        reads.push(pending);
        return pending.promise;
      },
    });
    replica.positions.begin(EPOCH, 0);
    replica.positions.heard(clock.monotonic());
  });
  afterEach(() => void vi.useRealTimers());

  it.each([
    ['of a process that hears', 0, false],
    ['of a deaf process', 2_000, false],
    ['for FULL', 0, true],
  ])('%s that hangs is given up, though its driver never says a word', async (_name, silence, full) => {
    clock.advance(silence);
    const waiting = Promise.allSettled([read(full), read(full)]);
    await settle();
    vi.advanceTimersByTime(LOAD_TIMEOUT_MS);
    for (const { status, ...rest } of await waiting) {
      expect(status).toBe('rejected');
      expect(rest).toMatchObject({ reason: { code: 'DATABASE_UNAVAILABLE' } });
    }
    // Nobody waits for it any more, and what it still brings is cached nowhere.
    const began = reads.length;
    const next = read(full);
    await settle();
    expect(reads).toHaveLength(began + 1);
    for (const hung of reads.slice(0, began)) hung.resolve(factsOf('admin'));
    await settle();
    expect(redis.counts.set).toBe(0);
    reads[began]?.resolve(factsOf('viewer'));
    expect(await next).toMatchObject({ tier: 'database', facts: factsOf('viewer') });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('that fails fails those who waited for it, and leaves nothing behind', async () => {
    const waiting = Promise.allSettled([read(), read()]);
    await settle();
    expect(reads).toHaveLength(1);
    reads[0]?.reject(new Error('canceling statement due to user request'));
    for (const { status } of await waiting) expect(status).toBe('rejected');
    expect(redis.counts.set).toBe(0);
    const next = read();
    await settle();
    expect(reads).toHaveLength(2);
    reads[1]?.resolve(factsOf('admin'));
    expect(await next).toMatchObject({ tier: 'database' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of a stale process is not joined by a call that begins a lease after it: a change may have been acknowledged since', async () => {
    clock.advance(2_000);
    const old = read();
    await settle();
    clock.advance(2_000);
    const late = read();
    await settle();
    expect(reads).toHaveLength(2);
    reads[0]?.resolve(factsOf('admin'));
    reads[1]?.resolve(factsOf('none'));
    expect((await old).facts).toEqual(factsOf('admin'));
    expect((await late).facts).toEqual(factsOf('none'));
  });

  it('of FULL is shared with nobody, neither as the second nor as the first', async () => {
    const [full, cached, again] = [read(true), read(), read(true)];
    await settle();
    expect(reads).toHaveLength(3);
    for (const [index, role] of ['one', 'two', 'three'].entries()) reads[index]?.resolve(factsOf(role));
    // The cached read asks Redis first.
    expect((await full).facts).toEqual(factsOf('one'));
    expect((await again).facts).toEqual(factsOf('two'));
    expect((await cached).facts).toEqual(factsOf('three'));
  });
});

describe('flights', () => {
  let positions: Positions;
  let loads: { readonly stamp: Stamp; readonly ends: PromiseWithResolvers<LoadedFacts> }[];
  let flights: Flights;
  let clock: ReturnType<typeof createTestClock>;
  const end = (index: number, role: string): void => {
    const load = loads[index];
    load?.ends.resolve({ facts: factsOf(role), stamp: load.stamp, readAt: 0, tier: 'database' });
  };

  beforeEach(() => {
    positions = createPositions({ clock: createTestClock(), leaseMs: 2_000, rememberMs: 1_000, maxRemembered: 10 });
    positions.begin(EPOCH, 0);
    loads = [];
    clock = createTestClock();
    flights = createFlights({
      loader: {
        load: (_key, stamp) => {
          const ends = Promise.withResolvers<LoadedFacts>();
          loads.push({ stamp, ends });
          return ends.promise;
        },
      },
      positions,
      clock,
      joinableMs: 2_000,
    });
  });

  it('share one load for a key, and none for another', async () => {
    const shared = [flights.load(KEY), flights.load(KEY), flights.load(KEY)];
    const other = flights.load(OTHER);
    expect(flights.size()).toBe(2);
    end(0, 'admin');
    end(1, 'viewer');
    for (const one of shared) expect((await one).facts).toEqual(factsOf('admin'));
    expect((await other).facts).toEqual(factsOf('viewer'));
    expect(flights.size()).toBe(0);
  });

  it('that lost their currency are not joined, and their end does not end those after them', async () => {
    const before = flights.load(KEY);
    positions.apply(1, REMOVED);
    const after = flights.load(KEY);
    expect(loads.map(({ stamp }) => stamp.seq)).toEqual([0, 1]);
    end(0, 'admin');
    expect((await before).facts).toEqual(factsOf('admin'));
    const joined = flights.load(KEY);
    expect(loads).toHaveLength(2);
    end(1, 'none');
    expect((await after).facts).toEqual(factsOf('none'));
    expect((await joined).facts).toEqual(factsOf('none'));
  });

  it('send those whose flight was overtaken to one load more, together, and not to a third', async () => {
    const first = flights.load(KEY);
    const waiting = [flights.load(KEY), flights.load(KEY)];
    positions.apply(1, REMOVED);
    end(0, 'admin');
    await first;
    await settle();
    expect(loads).toHaveLength(2);
    positions.apply(2, REMOVED);
    end(1, 'viewer');
    // Event 2 came after these calls began: they need not show it.
    for (const one of waiting) expect((await one).facts).toEqual(factsOf('viewer'));
    expect(loads).toHaveLength(2);
    expect(flights.size()).toBe(0);
  });

  it('are joined for as long as it was told, and those after them for as long again', async () => {
    const old = flights.load(KEY);
    clock.advance(1_999);
    const joined = flights.load(KEY);
    expect(loads).toHaveLength(1);
    clock.advance(1);
    const young = flights.load(KEY);
    expect(loads).toHaveLength(2);
    clock.advance(1_999);
    const joinedYoung = flights.load(KEY);
    end(0, 'admin');
    end(1, 'none');
    for (const one of [old, joined]) expect((await one).facts).toEqual(factsOf('admin'));
    for (const one of [young, joinedYoung]) expect((await one).facts).toEqual(factsOf('none'));
    expect(loads).toHaveLength(2);
    expect(flights.size()).toBe(0);
  });
});
