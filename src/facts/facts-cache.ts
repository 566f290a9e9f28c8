/**
 * The facts of a pair from the nearest tier that has them: memory, then Redis, then PostgreSQL. The protocol and the
 * argument that it never answers from before an applied event are in docs/understand/consistency.md.
 */
import type { Clock } from '../clock.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { remainingLife } from './entry.ts';
import type { FactsLoader, FactsTier, LoadedFacts } from './facts-loader.ts';
import { createFlights } from './flights.ts';
import { memoryKey } from './keys.ts';
import type { MemoryEntry, MemoryStore } from './memory.ts';
import type { Positions } from './positions.ts';

export type { FactsTier };

/** Facts for one answer. */
export interface FactsReading {
  readonly facts: Facts;
  readonly tier: FactsTier;
  /** When they were read from PostgreSQL, in milliseconds since the epoch. */
  readonly readAt: number;
}

/** The call that facts are read for. */
export interface Caller {
  /** Aborted when the call ends before its answer. Made when it is asked for: most answers are in memory. */
  readonly signal: AbortSignal;
}

export interface FactsCache {
  /**
   * The facts of a pair: at once when memory has them, else as a promise, which rejects when the call ends.
   * @param full Reads PostgreSQL by a statement of this call's own.
   */
  read(key: FactsKey, full: boolean, caller: Caller): FactsReading | Promise<FactsReading>;
}

export interface FactsCacheOptions {
  readonly memory: MemoryStore;
  readonly positions: Positions;
  readonly clock: Clock;
  readonly ttlMs: number;
  /** How long a proof of hearing events lasts, in milliseconds. */
  readonly leaseMs: number;
  /** Redis around PostgreSQL, or PostgreSQL alone. */
  readonly cached: FactsLoader;
  /** PostgreSQL alone: for FULL, and while no events are heard. */
  readonly database: FactsLoader;
}

/** Creates the cache. */
export const createFactsCache = (options: FactsCacheOptions): FactsCache => {
  const { memory, positions, clock, ttlMs, leaseMs, cached, database } = options;

  const answers = (entry: MemoryEntry | undefined, key: FactsKey): entry is MemoryEntry =>
    entry !== undefined &&
    // guard: age-in-memory
    clock.monotonic() < entry.expiresAt &&
    // guard: predicate-on-memory
    positions.current(entry.stamp, key.userId, key.organizationId);

  const land = (key: FactsKey, loaded: LoadedFacts): LoadedFacts => {
    // guard: fill-memory-only-with-current-facts
    if (!positions.hearing() || !positions.current(loaded.stamp, key.userId, key.organizationId)) return loaded;
    // guard: age-brought-into-memory
    const life = remainingLife(loaded, ttlMs, clock.now());
    if (life <= 0) return loaded;
    const id = memoryKey(key.userId, key.organizationId);
    // Without events a slower, older read must not take the place of a newer one. Of one that no longer answers it must: by
    // a wall clock that was set back since, it would be the newer one for as long.
    const known = memory.get(id);
    // guard: keep-the-newer-read
    if (answers(known, key) && known.readAt > loaded.readAt) return loaded;
    const { facts, stamp, readAt } = loaded;
    memory.set(id, { facts, stamp, readAt, expiresAt: clock.monotonic() + life });
    return loaded;
  };
  const landing = (loader: FactsLoader): FactsLoader => ({
    load: async (key, stamp, signal) => land(key, await loader.load(key, stamp, signal)),
  });

  const flights = createFlights({ loader: landing(cached), positions, clock, joinableMs: Number.POSITIVE_INFINITY });
  // Reads of a stale process share loads among themselves only: one that began while it was live may have read Redis. The
  // lease bounds them: a change that was acknowledged longer than that before a call is in every load that the call joins.
  const staleFlights = createFlights({
    loader: database,
    positions,
    clock,
    // guard: age-of-a-load-that-a-stale-process-joins
    joinableMs: leaseMs,
  });
  const own = landing(database);

  return {
    read: (key, full, caller) => {
      if (full) return own.load(key, positions.stamp(), caller.signal);
      if (!positions.hearing()) return staleFlights.load(key, caller.signal);
      const entry = memory.get(memoryKey(key.userId, key.organizationId));
      if (answers(entry, key)) return { facts: entry.facts, tier: 'memory', readAt: entry.readAt };
      return flights.load(key, caller.signal);
    },
  };
};
