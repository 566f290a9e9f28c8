/** Redis as a tier of facts, around another one. */
import type { Clock } from '../clock.ts';
import type { Mac } from '../mac.ts';
import type { Facts, FactsChange, FactsKey } from '../policy/facts.ts';
import { type CachedFacts, decodeEntry, encodeEntry, remainingLife, type SharedView } from './entry.ts';
import type { FactsLoader } from './facts-loader.ts';
import { redisKey } from './keys.ts';
import type { Positions } from './positions.ts';

/** What a tier needs of Redis. Nothing here ever fails: Redis away is a miss. */
export interface ValueStore {
  /** Null for a miss, an error or an answer that took too long. */
  get(key: string): Promise<string | null>;
  /** Stores for `lifeMs` milliseconds; not awaited by any call. */
  set(key: string, value: string, lifeMs: number): void;
  delete(key: string): void;
}

/**
 * Why a value in Redis does not answer. `unreadable`: not written by this version of Assent for this key. `overtaken`: an
 * event was applied since, it was read from other tables, or the process no longer hears any. `expired`: too old.
 */
export type RefusedReason = 'unreadable' | 'overtaken' | 'expired';

export interface RedisFactsOptions {
  readonly store: ValueStore;
  readonly positions: Positions;
  readonly clock: Clock;
  readonly ttlMs: number;
  /** Tells the entries that Assent wrote from those of others. */
  readonly mac: Mac;
  /** Called with every value that was there and does not answer, and why. */
  readonly onRefused: (reason: RefusedReason) => void;
  /** What other services read beside the facts. */
  readonly view: (facts: Facts, now: number) => SharedView;
  readonly next: FactsLoader;
}

/**
 * Facts from Redis, when the entry there is current by the events that this process has applied, else from the next tier.
 * What the next tier read is stored only if it is still current: otherwise an event came in between.
 */
export const redisFacts = (options: RedisFactsOptions): FactsLoader => {
  const { store, positions, clock, ttlMs, mac, onRefused, view, next } = options;
  const refused = (reason: RefusedReason): null => {
    onRefused(reason);
    return null;
  };
  const judge = ({ userId, organizationId }: FactsKey, name: string, value: string): CachedFacts | null => {
    const entry = decodeEntry(mac, name, value);
    if (entry === null) return refused('unreadable');
    // guard: age-in-redis
    if (remainingLife(entry, ttlMs, clock.now()) <= 0) return refused('expired');
    const current =
      positions.hearing() &&
      // guard: predicate-on-redis
      positions.current(entry.stamp, userId, organizationId);
    return current ? entry : refused('overtaken');
  };
  return {
    load: async (key, stamp, signal) => {
      const name = redisKey(key);
      const value = await store.get(name);
      const entry = value === null ? null : judge(key, name, value);
      if (entry !== null) return { ...entry, tier: 'redis' };
      // guard: stamp-before-the-load
      const loaded = await next.load(key, stamp, signal);
      const now = clock.now();
      const lifeMs = remainingLife(loaded, ttlMs, now);
      // Not for the promise, since whoever reads the entry judges it; but other readers of `perm:` know no positions.
      if (
        lifeMs > 0 &&
        // guard: fill-redis-only-with-current-facts
        positions.current(loaded.stamp, key.userId, key.organizationId)
      ) {
        store.set(name, encodeEntry(mac, name, loaded, view(loaded.facts, now)), lifeMs);
      }
      return loaded;
    },
  };
};

/** The part of the positions that hears of changes. */
interface ChangeSink {
  apply(seq: number, change: FactsChange | null, takenAt: string | null): void;
}

/**
 * Deletes a pair's Redis key after its change was recorded, for the other readers of `perm:`, who know no positions. Not
 * awaited, and no part of the promise. Wide changes cost Redis nothing: its TTL ends what they made stale for others.
 */
export const clearOnChange = <Sink extends ChangeSink>(sink: Sink, store: ValueStore): Sink => ({
  ...sink,
  apply: (seq: number, change: FactsChange | null, takenAt: string | null): void => {
    sink.apply(seq, change, takenAt);
    // guard: delete-the-redis-key-of-a-changed-pair
    if (change?.kind === 'pair') store.delete(redisKey(change));
  },
});
