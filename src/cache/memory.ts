/** The memory of one process: bounded, least recently used first out. */
import { LRUCache } from 'lru-cache';
import type { CachedFacts } from './entry.ts';

/** Facts in memory, with the monotonic moment at which they stop answering. */
export interface MemoryEntry extends CachedFacts {
  readonly expiresAt: number;
}

export interface MemoryStore {
  get(key: string): MemoryEntry | undefined;
  set(key: string, entry: MemoryEntry): void;
  /** Frees all entries. An optimisation: entries that are no longer current never answer anyway. */
  clear(): void;
  size(): number;
}

/** @param maxEntries How many entries are kept at most. */
export const createMemoryStore = (maxEntries: number): MemoryStore => {
  // Entries carry their own end on the monotonic clock; the library's TTLs would be a second one.
  const entries = new LRUCache<string, MemoryEntry>({ max: maxEntries });
  return {
    get: (key) => entries.get(key),
    set: (key, entry) => {
      entries.set(key, entry);
    },
    clear: () => entries.clear(),
    size: () => entries.size,
  };
};
