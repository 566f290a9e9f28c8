/** Loads that are shared, that hang and that fail. The test controls the clock. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Demand } from '../../../src/admission/demand.ts';
import { CallEnded } from '../../../src/errors.ts';
import type { Caller, FactsReading } from '../../../src/facts/cache.ts';
import type { LoadedFacts } from '../../../src/facts/database-tier.ts';
import { createFreshnessTracker, type FreshnessTracker, type Revision } from '../../../src/facts/freshness.ts';
import { createSingleFlight, type SingleFlight } from '../../../src/facts/single-flight.ts';
import type { Facts } from '../../../src/policy/facts.ts';
import { CALLER, createCaller } from '../../support/caller.ts';
import { eventLoopTurn } from '../../support/event-loop.ts';
import {
  createReplica,
  createTestClock,
  createTestRedis,
  EPOCH,
  factsOf,
  KEY,
  LOAD_TIMEOUT_MS,
  type Replica,
} from '../../support/facts/harness.ts';

const OTHER = { userId: 'v', organizationId: 'o' };
const REMOVED = { kind: 'pair', userId: 'u', organizationId: 'o' } as const;
/** Lets all promises settle that can settle without time passing. */

describe('a load', () => {
  const clock = createTestClock();
  let reads: PromiseWithResolvers<Facts>[];
  let signals: AbortSignal[];
  let redis: ReturnType<typeof createTestRedis>;
  let replica: Replica;
  const read = async (full = false, caller: Caller = CALLER): Promise<FactsReading> =>
    replica.cache.read(KEY, full, caller);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    [reads, signals] = [[], []];
    redis = createTestRedis();
    replica = createReplica({
      clock,
      redis: redis.store,
      read: (_key, signal) => {
        signals.push(signal);
        const pending = Promise.withResolvers<Facts>();
        reads.push(pending);
        return pending.promise;
      },
    });
    replica.freshness.begin(EPOCH, 0);
    replica.freshness.renewLease(clock.monotonic());
  });
  afterEach(() => void vi.useRealTimers());

  it.each([
    ['of a live process', 0, false],
    ['of a stale process', 2_000, false],
    ['for FULL', 0, true],
  ])('a load %s that hangs is given up, and its late result is not cached', async (_name, silence, full) => {
    clock.advance(silence);
    const waiting = Promise.allSettled([read(full), read(full)]);
    await eventLoopTurn();
    vi.advanceTimersByTime(LOAD_TIMEOUT_MS);
    for (const { status, ...rest } of await waiting) {
      expect(status).toBe('rejected');
      expect(rest).toMatchObject({ reason: { code: 'DATABASE_UNAVAILABLE' } });
    }
    // No call waits for it any more, and a result that it still brings is not cached.
    const began = reads.length;
    const next = read(full);
    await eventLoopTurn();
    expect(reads).toHaveLength(began + 1);
    for (const hung of reads.slice(0, began)) hung.resolve(factsOf('admin'));
    await eventLoopTurn();
    expect(redis.counts.set).toBe(0);
    reads[began]?.resolve(factsOf('viewer'));
    expect(await next).toMatchObject({ tier: 'database', facts: factsOf('viewer') });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('a load that fails rejects for all calls that wait for it, and leaves nothing behind', async () => {
    const waiting = Promise.allSettled([read(), read()]);
    await eventLoopTurn();
    expect(reads).toHaveLength(1);
    reads[0]?.reject(new Error('canceling statement due to user request'));
    for (const { status } of await waiting) expect(status).toBe('rejected');
    expect(redis.counts.set).toBe(0);
    const next = read();
    await eventLoopTurn();
    expect(reads).toHaveLength(2);
    reads[1]?.resolve(factsOf('admin'));
    expect(await next).toMatchObject({ tier: 'database' });
    expect(vi.getTimerCount()).toBe(0);
  });

  it('a call of a stale process does not join a load that is a lease old, since a change may have been acknowledged meanwhile', async () => {
    clock.advance(2_000);
    const old = read();
    await eventLoopTurn();
    clock.advance(2_000);
    const late = read();
    await eventLoopTurn();
    expect(reads).toHaveLength(2);
    reads[0]?.resolve(factsOf('admin'));
    reads[1]?.resolve(factsOf('none'));
    expect((await old).facts).toEqual(factsOf('admin'));
    expect((await late).facts).toEqual(factsOf('none'));
  });

  it.each([
    ['of a live process', 0, false],
    ['of a stale process', 2_000, false],
    ['for FULL', 0, true],
  ])('a load %s ends with the last call that waits for it, and its result is dropped', async (_name, silence, full) => {
    clock.advance(silence);
    const calls = [createCaller(), createCaller()];
    const waiting = calls.map((call) => read(full, call).catch((error: unknown) => error));
    await eventLoopTurn();
    const loads = full ? 2 : 1;
    expect(signals).toHaveLength(loads);
    calls[0]?.end();
    expect(await waiting[0]).toBeInstanceOf(CallEnded);
    expect(signals.map(({ aborted }) => aborted)).toEqual(full ? [true, false] : [false]);
    calls[1]?.end();
    expect(await waiting[1]).toBeInstanceOf(CallEnded);
    for (const { aborted } of signals) expect(aborted).toBe(true);
    // The next call has its own load, and results of the others that arrive now are dropped.
    const next = read(full);
    await eventLoopTurn();
    expect(reads).toHaveLength(loads + 1);
    for (const ended of reads.slice(0, loads)) ended.resolve(factsOf('admin'));
    await eventLoopTurn();
    expect(redis.counts.set).toBe(0);
    reads[loads]?.resolve(factsOf('viewer'));
    expect((await next).facts).toEqual(factsOf('viewer'));
    expect(signals[loads]?.aborted).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('no load begins when its only call ends during the Redis read', async () => {
    const answer = Promise.withResolvers<null>();
    vi.spyOn(redis.store, 'get').mockReturnValueOnce(answer.promise);
    const call = createCaller();
    const left = read(false, call).catch((error: unknown) => error);
    call.end();
    expect(await left).toBeInstanceOf(CallEnded);
    answer.resolve(null);
    await eventLoopTurn();
    expect(reads).toHaveLength(0);
  });

  it('a FULL read shares its load with no other call', async () => {
    const [full, cached, again] = [read(true), read(), read(true)];
    await eventLoopTurn();
    expect(reads).toHaveLength(3);
    for (const [index, role] of ['one', 'two', 'three'].entries()) reads[index]?.resolve(factsOf(role));
    // The cached read asks Redis first.
    expect((await full).facts).toEqual(factsOf('one'));
    expect((await again).facts).toEqual(factsOf('two'));
    expect((await cached).facts).toEqual(factsOf('three'));
  });
});

describe('single-flight', () => {
  let freshness: FreshnessTracker;
  let loads: {
    readonly revision: Revision;
    readonly signal: AbortSignal;
    readonly demand: Demand;
    readonly ends: PromiseWithResolvers<LoadedFacts>;
  }[];
  let singleFlight: SingleFlight;
  let clock: ReturnType<typeof createTestClock>;
  const end = (index: number, role: string): void => {
    const load = loads[index];
    load?.ends.resolve({ facts: factsOf(role), revision: load.revision, readAt: 0, tier: 'database' });
  };

  beforeEach(() => {
    freshness = createFreshnessTracker({
      clock: createTestClock(),
      leaseMs: 2_000,
      rememberMs: 1_000,
      maxRemembered: 10,
    });
    freshness.begin(EPOCH, 0);
    loads = [];
    clock = createTestClock();
    singleFlight = createSingleFlight({
      loader: {
        load: (_key, revision, demand) => {
          const ends = Promise.withResolvers<LoadedFacts>();
          loads.push({ revision, signal: demand.signal, demand, ends });
          return ends.promise;
        },
      },
      freshness,
      clock,
      joinableMs: 2_000,
    });
  });

  it('calls for one key share one load, and calls for another key do not', async () => {
    const shared = [singleFlight.load(KEY, CALLER), singleFlight.load(KEY, CALLER), singleFlight.load(KEY, CALLER)];
    const other = singleFlight.load(OTHER, CALLER);
    expect(singleFlight.size()).toBe(2);
    end(0, 'admin');
    end(1, 'viewer');
    for (const one of shared) expect((await one).facts).toEqual(factsOf('admin'));
    expect((await other).facts).toEqual(factsOf('viewer'));
    expect(singleFlight.size()).toBe(0);
  });

  it('a load that is no longer current is not joined, and its end does not end the load after it', async () => {
    const before = singleFlight.load(KEY, CALLER);
    freshness.apply(1, REMOVED);
    const after = singleFlight.load(KEY, CALLER);
    expect(loads.map(({ revision }) => revision.seq)).toEqual([0, 1]);
    end(0, 'admin');
    expect((await before).facts).toEqual(factsOf('admin'));
    const joined = singleFlight.load(KEY, CALLER);
    expect(loads).toHaveLength(2);
    end(1, 'none');
    expect((await after).facts).toEqual(factsOf('none'));
    expect((await joined).facts).toEqual(factsOf('none'));
  });

  it('calls whose joined load was overtaken share one more load, and never need a third', async () => {
    const first = singleFlight.load(KEY, CALLER);
    const waiting = [singleFlight.load(KEY, CALLER), singleFlight.load(KEY, CALLER)];
    freshness.apply(1, REMOVED);
    end(0, 'admin');
    await first;
    await eventLoopTurn();
    expect(loads).toHaveLength(2);
    freshness.apply(2, REMOVED);
    end(1, 'viewer');
    // Event 2 came after these calls began: they need not show it.
    for (const one of waiting) expect((await one).facts).toEqual(factsOf('viewer'));
    expect(loads).toHaveLength(2);
    expect(singleFlight.size()).toBe(0);
  });

  it('a load goes on for the remaining calls when one call ends', async () => {
    const [first, second] = [createCaller(), createCaller()];
    const left = singleFlight.load(KEY, first);
    const stays = singleFlight.load(KEY, second);
    first.end();
    await expect(left).rejects.toThrow(CallEnded);
    const joined = singleFlight.load(KEY, CALLER);
    expect(loads).toHaveLength(1);
    second.end();
    await expect(stays).rejects.toThrow(CallEnded);
    expect(loads[0]?.signal.aborted).toBe(false);
    end(0, 'admin');
    expect((await joined).facts).toEqual(factsOf('admin'));
    expect(loads[0]?.signal.aborted).toBe(false);
  });

  it('the line learns of each call that joins a load and that leaves it', async () => {
    const [first, second] = [createCaller(), createCaller()];
    const left = singleFlight.load(KEY, first);
    const joined: Caller[] = [];
    const gone: Caller[] = [];
    loads[0]?.demand.watch({ joined: (caller) => joined.push(caller), left: (caller) => gone.push(caller) });
    const stays = singleFlight.load(KEY, second);
    expect(joined).toEqual([second]);
    first.end();
    await expect(left).rejects.toThrow(CallEnded);
    expect(gone).toEqual([first]);
    end(0, 'admin');
    await stays;
  });

  it('a load ends with its last call, and later calls do not join it', async () => {
    const calls = [createCaller(), createCaller()];
    const left = calls.map((call) => singleFlight.load(KEY, call));
    for (const call of calls) call.end();
    for (const one of left) await expect(one).rejects.toThrow(CallEnded);
    expect(loads[0]?.signal.aborted).toBe(true);
    expect(singleFlight.size()).toBe(0);
    const next = singleFlight.load(KEY, CALLER);
    expect(loads).toHaveLength(2);
    // The abandoned load ends late and does not remove the next one.
    loads[0]?.ends.reject(new CallEnded());
    await eventLoopTurn();
    expect(singleFlight.size()).toBe(1);
    end(1, 'viewer');
    expect((await next).facts).toEqual(factsOf('viewer'));
  });

  it('a load that is no longer current ends with its own calls, and the load after it goes on', async () => {
    const call = createCaller();
    const before = singleFlight.load(KEY, call);
    freshness.apply(1, REMOVED);
    const after = singleFlight.load(KEY, CALLER);
    call.end();
    await expect(before).rejects.toThrow(CallEnded);
    expect(loads.map(({ signal }) => signal.aborted)).toEqual([true, false]);
    expect(singleFlight.size()).toBe(1);
    end(1, 'none');
    expect((await after).facts).toEqual(factsOf('none'));
  });

  it('no load begins for a call that has ended', async () => {
    const call = createCaller();
    call.end();
    await expect(singleFlight.load(KEY, call)).rejects.toThrow(CallEnded);
    expect(loads).toHaveLength(0);
  });

  it('each check of a batch counts as a waiting call, and the load ends with the batch', async () => {
    const call = createCaller();
    const checks = Array.from({ length: 500 }, () => singleFlight.load(KEY, call));
    expect(loads).toHaveLength(1);
    call.end();
    for (const check of checks) await expect(check).rejects.toThrow(CallEnded);
    expect(loads[0]?.signal.aborted).toBe(true);
  });

  it('a load is joined only until it reaches the given age, and so is the load after it', async () => {
    const old = singleFlight.load(KEY, CALLER);
    clock.advance(1_999);
    const joined = singleFlight.load(KEY, CALLER);
    expect(loads).toHaveLength(1);
    clock.advance(1);
    const young = singleFlight.load(KEY, CALLER);
    expect(loads).toHaveLength(2);
    clock.advance(1_999);
    const joinedYoung = singleFlight.load(KEY, CALLER);
    end(0, 'admin');
    end(1, 'none');
    for (const one of [old, joined]) expect((await one).facts).toEqual(factsOf('admin'));
    for (const one of [young, joinedYoung]) expect((await one).facts).toEqual(factsOf('none'));
    expect(loads).toHaveLength(2);
    expect(singleFlight.size()).toBe(0);
  });
});
