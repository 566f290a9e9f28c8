/** The real cache on in-process stores; the test controls time, loads and events. */

import type { Demand } from '../../../src/admission/demand.ts';
import { AssentError } from '../../../src/errors.ts';
import { createFactsCache, type FactsCache } from '../../../src/facts/cache.ts';
import { databaseTier } from '../../../src/facts/database-tier.ts';
import { createEntryMac } from '../../../src/facts/entry.ts';
import { createFreshnessTracker, type FreshnessTracker } from '../../../src/facts/freshness.ts';
import { createMemoryStore } from '../../../src/facts/memory.ts';
import { type RefusedReason, redisTier, type ValueStore } from '../../../src/facts/redis-tier.ts';
import type { Facts, FactsKey } from '../../../src/policy/facts.ts';
import { withTimeout } from '../../../src/with-timeout.ts';

export const TTL_MS = 300_000;
export const LOAD_TIMEOUT_MS = 2_500;
export const EPOCH = 'js:TEST:1';
export const KEY: FactsKey = { userId: 'u', organizationId: 'o' };

/** Facts with one role. */
export const factsOf = (role: string | null): Facts => ({
  user: { roles: ['user'], ban: null },
  organization: { status: 'present', memberRoles: role === null ? null : [role], dynamicRoles: [] },
});

export const roleOf = (facts: Facts): string | null => facts.organization?.memberRoles?.[0] ?? null;

/** Time that only the test moves. Both clocks move together, unless the wall clock is set back. */
export const createTestClock = (start = 1_800_000_000_000) => {
  let time = start;
  let behind = 0;
  return {
    now: () => time - behind,
    monotonic: () => time,
    /** Sets the wall clock back, as an operator or NTP may. */
    setBack: (ms: number): void => {
      behind += ms;
    },
    advance: (ms: number): void => {
      time += ms;
    },
  };
};

/** Redis as a Map without expiry: freshness must not depend on it. */
export const createTestRedis = () => {
  const values = new Map<string, string>();
  const counts = { get: 0, set: 0 };
  const store: ValueStore = {
    get: async (key) => {
      counts.get += 1;
      return values.get(key) ?? null;
    },
    set: (key, value) => {
      counts.set += 1;
      values.set(key, value);
    },
    delete: (key) => {
      values.delete(key);
    },
  };
  return { values, counts, store };
};

export interface Replica {
  readonly cache: FactsCache;
  readonly freshness: FreshnessTracker;
}

/** One process with its own memory and freshness tracker; `read` is its database. */
export const createReplica = (options: {
  readonly clock: ReturnType<typeof createTestClock>;
  readonly redis: ValueStore;
  readonly read: (key: FactsKey, signal: AbortSignal) => Promise<Facts>;
  readonly onRefused?: (reason: RefusedReason) => void;
}): Replica => {
  const { clock, redis, read, onRefused = () => {} } = options;
  const freshness = createFreshnessTracker({
    clock,
    leaseMs: 2_000,
    rememberMs: TTL_MS + 60_000,
    maxRemembered: 10_000,
  });
  // As the pool does.
  const bounded = (key: FactsKey, { signal }: Demand): Promise<Facts> =>
    withTimeout(LOAD_TIMEOUT_MS, read(key, signal), () => new AssentError('DATABASE_UNAVAILABLE', 'No answer.'));
  const database = databaseTier(bounded, clock);
  const view = () => ({ role: '', permissions: [] });
  const cached = redisTier({
    store: redis,
    freshness,
    clock,
    ttlMs: TTL_MS,
    mac: createEntryMac(['a secret of tests']),
    onRefused,
    view,
    next: database,
  });
  const memory = createMemoryStore(1_000);
  return {
    freshness,
    cache: createFactsCache({ memory, freshness, clock, ttlMs: TTL_MS, leaseMs: 2_000, cached, database }),
  };
};
