import type { Invalidation } from '@assent/event-contract';
import { beforeEach, describe, expect, it } from 'vitest';
import type { FactsReading } from '../../../src/facts/cache.ts';
import type { Facts } from '../../../src/policy/facts.ts';
import { CALLER } from '../../support/caller.ts';
import { eventLoopTurn } from '../../support/event-loop.ts';
import {
  createReplica,
  createTestClock,
  createTestRedis,
  EPOCH,
  factsOf,
  KEY,
  type Replica,
  roleOf,
  TTL_MS,
} from '../../support/facts/harness.ts';

const REMOVED: Invalidation = { kind: 'pair', userId: 'u', organizationId: 'o' };

let clock: ReturnType<typeof createTestClock>;
let redis: ReturnType<typeof createTestRedis>;
let reads: PromiseWithResolvers<Facts>[];
let replica: Replica;
let refused: string[];

const create = (): Replica =>
  createReplica({
    clock,
    redis: redis.store,
    onRefused: (reason) => refused.push(reason),
    read: () => {
      const read = Promise.withResolvers<Facts>();
      reads.push(read);
      return read.promise;
    },
  });
const live = (one: Replica, lowWaterMark = 0): Replica => {
  one.freshness.begin(EPOCH, lowWaterMark);
  one.freshness.renewLease(clock.monotonic());
  return one;
};
/** Lets all promises settle that can settle now. */
const read = async (one: Replica, full = false): Promise<FactsReading> => one.cache.read(KEY, full, CALLER);
/** Reads while the database answers with `role`. */
const readThrough = async (one: Replica, role: string | null): Promise<FactsReading> => {
  const result = read(one);
  await eventLoopTurn();
  reads.at(-1)?.resolve(factsOf(role));
  return result;
};

beforeEach(() => {
  clock = createTestClock();
  redis = createTestRedis();
  reads = [];
  refused = [];
  replica = live(create());
});

describe('the tiers of the cache', () => {
  it('the first answer comes from the database, the second from memory, at once and without a promise', async () => {
    expect(await readThrough(replica, 'admin')).toMatchObject({ tier: 'database' });
    const again = replica.cache.read(KEY, false, CALLER);
    expect(again).toMatchObject({ tier: 'memory', facts: factsOf('admin') });
    expect(reads).toHaveLength(1);
  });

  it('another process gets its answer from Redis', async () => {
    await readThrough(replica, 'admin');
    const other = live(create());
    expect(await read(other)).toMatchObject({ tier: 'redis', facts: factsOf('admin') });
    expect(reads).toHaveLength(1);
  });

  it('the age of facts counts from the read of the database, in memory and in Redis', async () => {
    const { readAt } = await readThrough(replica, 'admin');
    clock.advance(TTL_MS - 1);
    const other = live(create());
    expect(await read(other)).toMatchObject({ tier: 'redis', readAt });
    clock.advance(1);
    other.freshness.renewLease(clock.monotonic());
    expect(await readThrough(other, 'viewer')).toMatchObject({ tier: 'database', facts: factsOf('viewer') });
    expect(refused).toEqual(['expired']);
  });

  it('memory keeps facts that were read after the wall clock was set back', async () => {
    for (const makeStale of [() => clock.advance(TTL_MS), () => replica.freshness.apply(1, REMOVED)]) {
      await readThrough(replica, 'admin');
      redis.values.clear();
      clock.setBack(3_600_000);
      makeStale();
      replica.freshness.renewLease(clock.monotonic());
      expect(await readThrough(replica, 'viewer')).toMatchObject({ tier: 'database' });
      expect(replica.cache.read(KEY, false, CALLER)).toMatchObject({ tier: 'memory', facts: factsOf('viewer') });
      replica = live(create());
    }
  });

  it('the age of facts counts from the beginning of the read, however long the read took', async () => {
    const began = clock.now();
    const slow = read(replica);
    await eventLoopTurn();
    clock.advance(1_500);
    reads[0]?.resolve(factsOf('admin'));
    expect(await slow).toMatchObject({ tier: 'database', readAt: began });
    expect(await read(replica)).toMatchObject({ tier: 'memory', readAt: began });
    clock.advance(TTL_MS - 1_500);
    replica.freshness.renewLease(clock.monotonic());
    expect(await readThrough(replica, 'viewer')).toMatchObject({ tier: 'database', facts: factsOf('viewer') });
  });

  it('facts with a ban that ended during the read are not cached', async () => {
    const banned: Facts = { ...factsOf('admin'), user: { roles: [], ban: { until: clock.now() + 1_000 } } };
    const slow = read(replica);
    await eventLoopTurn();
    clock.advance(1_000);
    reads[0]?.resolve(banned);
    expect(await slow).toMatchObject({ tier: 'database', facts: banned });
    expect(redis.counts.set).toBe(0);
    expect(await readThrough(replica, 'admin')).toMatchObject({ tier: 'database' });
  });

  it('a FULL read has its own statement, also while another load is under way', async () => {
    const cached = read(replica);
    await eventLoopTurn();
    const full = read(replica, true);
    expect(reads).toHaveLength(2);
    reads[1]?.resolve(factsOf('viewer'));
    expect(await full).toMatchObject({ tier: 'database', facts: factsOf('viewer') });
    reads[0]?.resolve(factsOf('admin'));
    await cached;
  });
});

describe('an applied change', () => {
  it('every call that begins after a change was applied shows it', async () => {
    await readThrough(replica, 'admin');
    replica.freshness.apply(1, REMOVED);
    expect(roleOf((await readThrough(replica, null)).facts)).toBeNull();
  });

  it('a load that began before a change fills neither memory nor Redis', async () => {
    const before = read(replica);
    await eventLoopTurn();
    replica.freshness.apply(1, REMOVED);
    reads[0]?.resolve(factsOf('admin'));
    await before;
    expect(redis.counts.set).toBe(0);
    expect(await readThrough(replica, null)).toMatchObject({ tier: 'database', facts: factsOf(null) });
  });

  it('a call that begins after a change does not join a load from before it', async () => {
    const before = read(replica);
    await eventLoopTurn();
    replica.freshness.apply(1, REMOVED);
    const after = readThrough(replica, null);
    await eventLoopTurn();
    reads[0]?.resolve(factsOf('admin'));
    expect(roleOf((await after).facts)).toBeNull();
    await before;
  });

  it('a call whose joined load is overtaken by a change waits for one more load', async () => {
    const first = read(replica);
    const waiter = read(replica);
    await eventLoopTurn();
    expect(reads).toHaveLength(1);
    replica.freshness.apply(1, REMOVED);
    reads[0]?.resolve(factsOf('admin'));
    await first;
    await eventLoopTurn();
    expect(reads).toHaveLength(2);
    reads[1]?.resolve(factsOf(null));
    expect(roleOf((await waiter).facts)).toBeNull();
  });

  it('an old entry that Redis brings back does not undo a change', async () => {
    await readThrough(replica, 'admin');
    const snapshot = new Map(redis.values);
    replica.freshness.apply(1, REMOVED);
    await readThrough(replica, null);
    for (const [key, value] of snapshot) redis.values.set(key, value);
    const other = live(create());
    other.freshness.apply(1, REMOVED);
    expect(await readThrough(other, null)).toMatchObject({ tier: 'database' });
    expect(refused).toContain('overtaken');
  });

  it('a change ends a cached denial at once, too', async () => {
    await readThrough(replica, null);
    replica.freshness.apply(1, REMOVED);
    expect(roleOf((await readThrough(replica, 'staff')).facts)).toBe('staff');
  });
});

describe('a process whose subscription is stale', () => {
  it('a stale process answers from the database only, shares the load, and stores nothing', async () => {
    await readThrough(replica, 'admin');
    clock.advance(2_000);
    const gets = redis.counts.get;
    const [one, other] = [read(replica), read(replica)];
    await eventLoopTurn();
    expect(reads).toHaveLength(2);
    reads[1]?.resolve(factsOf('viewer'));
    expect((await one).facts).toEqual(factsOf('viewer'));
    expect((await other).tier).toBe('database');
    expect(redis.counts).toEqual({ get: gets, set: 1 });
  });

  it('a process shares loads also before its first lease', async () => {
    const never = create();
    const all = [read(never), read(never), read(never)];
    await eventLoopTurn();
    expect(reads).toHaveLength(1);
    reads[0]?.resolve(factsOf('viewer'));
    for (const one of all) expect(await one).toMatchObject({ tier: 'database', facts: factsOf('viewer') });
    expect(redis.counts).toEqual({ get: 0, set: 0 });
  });

  it('a process whose lease ran out during a Redis read does not use the value', async () => {
    await readThrough(live(create()), 'admin');
    const waiting = read(replica);
    clock.advance(2_000);
    await eventLoopTurn();
    expect(refused).toEqual(['overtaken']);
    reads[1]?.resolve(factsOf('viewer'));
    expect(await waiting).toMatchObject({ tier: 'database', facts: factsOf('viewer') });
  });

  it('a process answers from memory again once its lease is renewed', async () => {
    await readThrough(replica, 'admin');
    clock.advance(2_000);
    replica.freshness.renewLease(clock.monotonic());
    expect(await read(replica)).toMatchObject({ tier: 'memory' });
  });

  it('no entry from before a gap answers', async () => {
    await readThrough(replica, 'admin');
    replica.freshness.skipTo(5);
    expect(await readThrough(replica, 'viewer')).toMatchObject({ tier: 'database' });
  });
});

describe('a cached ban', () => {
  it('a ban is cached no longer than it lasts', async () => {
    const result = read(replica);
    await eventLoopTurn();
    reads[0]?.resolve({ user: { roles: [], ban: { until: clock.now() + 1_000 } }, organization: null });
    await result;
    clock.advance(1_000);
    expect(await readThrough(replica, 'staff')).toMatchObject({ tier: 'database' });
  });
});
