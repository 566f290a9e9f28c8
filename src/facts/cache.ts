/**
 * The facts of a pair from the nearest tier that has them: memory, then Redis, then PostgreSQL. The protocol, and the
 * argument that no answer is older than an applied event, are in docs/understand/consistency.md.
 */
import { type Caller, demandOf } from '../admission/demand.ts';
import type { Clock } from '../clock.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { memoryKey } from './cache-key.ts';
import type { FactsLoader, FactsTier, LoadedFacts } from './database-tier.ts';
import { remainingLife } from './entry.ts';
import type { FreshnessTracker } from './freshness.ts';
import type { MemoryEntry, MemoryStore } from './memory.ts';
import { createSingleFlight } from './single-flight.ts';

export type { Caller, FactsTier };

/** Facts for one answer. */
export interface FactsReading {
  readonly facts: Facts;
  readonly tier: FactsTier;
  /** When they were read from PostgreSQL, in milliseconds since the epoch. */
  readonly readAt: number;
}

export interface FactsCache {
  /**
   * The facts of a pair: at once when memory has them, else as a promise.
   * @param full Reads PostgreSQL by a statement for this call alone.
   * @throws The promise rejects when the call ends, and with the error of the load.
   */
  read(key: FactsKey, full: boolean, caller: Caller): FactsReading | Promise<FactsReading>;
}

export interface FactsCacheOptions {
  readonly memory: MemoryStore;
  readonly freshness: FreshnessTracker;
  readonly clock: Clock;
  /** How long facts may answer after they were read, in milliseconds. */
  readonly ttlMs: number;
  /** How long a lease of the event subscription lasts, in milliseconds. */
  readonly leaseMs: number;
  /** Redis in front of PostgreSQL, or PostgreSQL alone. */
  readonly cached: FactsLoader;
  /** PostgreSQL alone: for `full` reads, and while the subscription is stale. */
  readonly database: FactsLoader;
}

/** Creates the cache. */
export function createFactsCache(options: FactsCacheOptions): FactsCache {
  const { memory, freshness, clock, ttlMs, leaseMs, cached, database } = options;

  const shared = createSingleFlight({
    loader: fillingMemory(cached),
    freshness,
    clock,
    joinableMs: Number.POSITIVE_INFINITY,
  });
  // While the subscription is stale, reads share loads among themselves only: a load that began earlier may have read Redis.
  // The lease bounds the age of a load that is joined. A change that was acknowledged more than a lease before a call is
  // therefore in every load that the call joins.
  const sharedWhileStale = createSingleFlight({
    loader: database,
    freshness,
    clock,
    // guard: age-of-a-load-that-a-stale-process-joins
    joinableMs: leaseMs,
  });
  const unshared = fillingMemory(database);

  return {
    read: (key, full, caller) => {
      if (full) return unshared.load(key, freshness.revision(), demandOf(caller));
      if (!freshness.isLive()) return sharedWhileStale.load(key, caller);
      const entry = memory.get(memoryKey(key.userId, key.organizationId));
      if (mayAnswer(entry, key)) return { facts: entry.facts, tier: 'memory', readAt: entry.readAt };
      return shared.load(key, caller);
    },
  };

  function mayAnswer(entry: MemoryEntry | undefined, key: FactsKey): entry is MemoryEntry {
    return (
      entry !== undefined &&
      // guard: age-in-memory
      clock.monotonic() < entry.expiresAt &&
      // guard: predicate-on-memory
      freshness.isCurrent(entry.revision, key.userId, key.organizationId)
    );
  }

  function fillingMemory(loader: FactsLoader): FactsLoader {
    return {
      load: async (key, revision, demand) => {
        const loaded = await loader.load(key, revision, demand);
        fillMemory(key, loaded);
        return loaded;
      },
    };
  }

  function fillMemory(key: FactsKey, loaded: LoadedFacts): void {
    // guard: fill-memory-only-with-current-facts
    if (!freshness.isLive() || !freshness.isCurrent(loaded.revision, key.userId, key.organizationId)) return;
    // guard: age-brought-into-memory
    const life = remainingLife(loaded, ttlMs, clock.now());
    if (life <= 0) return;
    const id = memoryKey(key.userId, key.organizationId);
    // A slow read must not overwrite a newer entry. But do overwrite an entry that can no longer answer: if the wall clock was
    // set back after it was stored, its `readAt` looks newer than ours until the clock catches up.
    const known = memory.get(id);
    // guard: keep-the-newer-read
    if (mayAnswer(known, key) && known.readAt > loaded.readAt) return;
    const { facts, revision, readAt } = loaded;
    memory.set(id, { facts, revision, readAt, expiresAt: clock.monotonic() + life });
  }
}
