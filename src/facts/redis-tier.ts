/** Redis as a tier of facts, in front of another tier. */
import type { Clock } from '../clock.ts';
import type { Mac } from '../mac.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { redisKey } from './cache-key.ts';
import type { FactsLoader } from './database-tier.ts';
import { type CachedFacts, decodeEntry, encodeEntry, remainingLife, type SharedView } from './entry.ts';
import type { FreshnessTracker } from './freshness.ts';

/** The operations of Redis that a tier needs. None of them fails: without Redis every read is a miss. */
export interface ValueStore {
  /** Null for a miss, an error or an answer that took too long. */
  get(key: string): Promise<string | null>;
  /** Stores for `lifeMs` milliseconds; no call waits for it. */
  set(key: string, value: string, lifeMs: number): void;
  delete(key: string): void;
}

/**
 * Why a value in Redis does not answer. `unreadable`: this version of Assent did not write it for this key. `overtaken`: an
 * event was applied since, it was read from another data source, or the subscription is stale. `expired`: it is too old.
 */
export type RefusedReason = 'unreadable' | 'overtaken' | 'expired';

export interface RedisTierOptions {
  readonly store: ValueStore;
  readonly freshness: FreshnessTracker;
  readonly clock: Clock;
  /** How long facts may answer after they were read, in milliseconds. */
  readonly ttlMs: number;
  /** Tells the entries of Assent from values that another program wrote. */
  readonly mac: Mac;
  /** Called with the reason for every value that is there and does not answer. */
  readonly onRefused: (reason: RefusedReason) => void;
  /** The part of an entry that other services read. */
  readonly view: (facts: Facts, now: number) => SharedView;
  readonly next: FactsLoader;
}

/**
 * Loads facts from Redis when the entry there is current by the events that this process has applied, else from the next
 * tier. Facts of the next tier are stored only if they are still current: otherwise an event came in between.
 */
export function redisTier(options: RedisTierOptions): FactsLoader {
  const { store, freshness, clock, ttlMs, mac, onRefused, view, next } = options;

  return {
    load: async (key, revision, demand) => {
      const name = redisKey(key);
      const value = await store.get(name);
      const entry = value === null ? null : readEntry(key, name, value);
      if (entry !== null) return { ...entry, tier: 'redis' };
      // guard: revision-before-the-load
      const loaded = await next.load(key, revision, demand);
      fillRedis(key, name, loaded);
      return loaded;
    },
  };

  function readEntry({ userId, organizationId }: FactsKey, name: string, value: string): CachedFacts | null {
    const entry = decodeEntry(mac, name, value);
    if (entry === null) return refuse('unreadable');
    // guard: age-in-redis
    if (remainingLife(entry, ttlMs, clock.now()) <= 0) return refuse('expired');
    const current =
      freshness.isLive() &&
      // guard: predicate-on-redis
      freshness.isCurrent(entry.revision, userId, organizationId);
    return current ? entry : refuse('overtaken');
  }

  function refuse(reason: RefusedReason): null {
    onRefused(reason);
    return null;
  }

  function fillRedis(key: FactsKey, name: string, loaded: CachedFacts): void {
    const now = clock.now();
    const lifeMs = remainingLife(loaded, ttlMs, now);
    // Assent does not depend on this check: it judges each entry again when it reads it. Other readers of `perm:` keys do.
    if (
      lifeMs > 0 &&
      // guard: fill-redis-only-with-current-facts
      freshness.isCurrent(loaded.revision, key.userId, key.organizationId)
    ) {
      store.set(name, encodeEntry(mac, name, loaded, view(loaded.facts, now)), lifeMs);
    }
  }
}
