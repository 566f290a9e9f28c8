/**
 * The memory of one process: bounded, least recently used first out. At a million entries each takes 194 bytes of live
 * heap, the library's own arrays included, whatever tier it came from (bench/in-process/million.ts).
 */
import { LRUCache } from 'lru-cache';
import type { Facts } from '../policy/facts.ts';
import type { CachedFacts } from './entry.ts';
import { createFactsPool, type PooledFacts } from './facts-pool.ts';
import type { Stamp } from './positions.ts';

/** Facts in memory, with the monotonic moment at which they stop answering. */
export interface MemoryEntry extends CachedFacts {
  readonly expiresAt: number;
}

export interface MemoryStore {
  get(key: string): MemoryEntry | undefined;
  /** Keeps an entry in place of the one from before; neither when its facts are too large. */
  set(key: string, entry: MemoryEntry): void;
  /** Frees all entries. */
  clear(): void;
  size(): number;
}

/** Times are kept from here: V8 stores whole numbers below 2^31 within an object, larger ones in 16 bytes of their own. */
const BASE = Date.now();

/** One object, which is its own stamp: those of entries from Redis would all be different ones. */
class Entry implements MemoryEntry, Stamp {
  readonly #pooled: PooledFacts;
  readonly seq: number;
  readonly expiresAt: number;
  readonly #readAt: number;

  constructor(pooled: PooledFacts, seq: number, readAt: number, expiresAt: number) {
    this.#pooled = pooled;
    this.seq = seq;
    // Down: an entry may end a part of a millisecond early, never late.
    this.expiresAt = Math.floor(expiresAt);
    this.#readAt = Math.floor(readAt) - BASE;
  }

  get facts(): Facts {
    return this.#pooled.facts;
  }

  get epoch(): string {
    return this.#pooled.epoch;
  }

  get stamp(): Stamp {
    return this;
  }

  get readAt(): number {
    return BASE + this.#readAt;
  }
}

/** A string that was joined from parts keeps the parts; its copy does not (32 bytes a key). */
const compact = (key: string): string => Buffer.from(key).toString();

/** @param maxEntries How many entries are kept at most. */
export const createMemoryStore = (maxEntries: number): MemoryStore => {
  // Entries carry their own end on the monotonic clock; the library's TTLs would be a second one.
  const entries = new LRUCache<string, Entry>({ max: maxEntries });
  const pool = createFactsPool();
  return {
    get: (key) => entries.get(key),
    set: (key, { facts, stamp, readAt, expiresAt }) => {
      const pooled = pool(facts, stamp.epoch);
      if (pooled === null) entries.delete(key);
      else entries.set(compact(key), new Entry(pooled, stamp.seq, readAt, expiresAt));
    },
    clear: () => entries.clear(),
    size: () => entries.size,
  };
};
