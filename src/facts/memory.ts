/**
 * The memory of one process: bounded, least recently used first out. At a million entries each takes 194 bytes of live
 * heap, the library's own arrays included, whatever tier it came from (bench/in-process/million.ts).
 *
 *     LRU map   key (a flat string) -> Entry
 *     Entry     seq, expiresAt, readAt: three small integers in the object; a reference to shared facts
 *     shared    facts and epoch, one object for all entries of the same content (interning)
 */
import { LRUCache } from 'lru-cache';
import type { Facts } from '../policy/facts.ts';
import type { CachedFacts } from './entry.ts';
import type { Revision } from './freshness.ts';

/** Distinct facts that are interned at most. Facts beyond that cost their own memory and nothing else. */
const MAX_DISTINCT = 10_000;
/** The largest facts that memory keeps, as characters of JSON: an organization can give a member megabytes of roles. */
const MAX_CHARACTERS = 32_768;

/** Facts in memory, with the monotonic moment at which they stop answering, in milliseconds. */
export interface MemoryEntry extends CachedFacts {
  readonly expiresAt: number;
}

export interface MemoryStore {
  get(key: string): MemoryEntry | undefined;
  /** Replaces the entry of this key. When the new facts are too large, the key has no entry afterwards. */
  set(key: string, entry: MemoryEntry): void;
  /** Frees all entries. */
  clear(): void;
  /** The number of entries. */
  size(): number;
}

/** The parts of an entry that other entries share. */
export interface InternedFacts {
  readonly facts: Facts;
  /** The epoch of the revision under which they were read. */
  readonly epoch: string;
}

/** Returns the one object for facts of the same content and epoch; null for facts that are too large to be kept. */
export type Intern = (facts: Facts, epoch: string) => InternedFacts | null;

/** @param maxEntries How many entries are kept at most. */
export function createMemoryStore(maxEntries: number): MemoryStore {
  // Entries have their own end on the monotonic clock; a TTL of the library would be a second one.
  const entries = new LRUCache<string, Entry>({ max: maxEntries });
  const intern = createInterning();
  return {
    get: (key) => entries.get(key),
    set: (key, { facts, revision, readAt, expiresAt }) => {
      const interned = intern(facts, revision.epoch);
      if (interned === null) entries.delete(key);
      else entries.set(flat(key), new Entry(interned, revision.seq, readAt, expiresAt));
    },
    clear: () => entries.clear(),
    size: () => entries.size,
  };
}

/** Interns facts: most members of most organizations have one of a few sets of roles. */
export function createInterning(): Intern {
  const byContent = new LRUCache<string, InternedFacts>({ max: MAX_DISTINCT });
  // The epoch of everything in this table. Copied once, because the epoch parsed from a Redis value is a slice that would
  // keep the whole value alive.
  let epoch = '';
  return (facts, newEpoch) => {
    if (newEpoch !== epoch) {
      epoch = flat(newEpoch);
      byContent.clear();
    }
    const content = JSON.stringify(facts);
    if (content.length > MAX_CHARACTERS) return null;
    const known = byContent.get(content);
    if (known !== undefined) return known;
    const interned = { facts, epoch };
    byContent.set(content, interned);
    return interned;
  };
}

/**
 * Read times are stored as a difference from here: V8 keeps integers below 2^31 within an object, and larger ones in 16
 * separate bytes. Any moment near the start of the process will do.
 */
const READ_TIME_BASE = Date.now();

/** An entry is its own revision: a revision object for each entry from Redis would cost memory. */
class Entry implements MemoryEntry, Revision {
  readonly #interned: InternedFacts;
  readonly seq: number;
  readonly expiresAt: number;
  readonly #readAt: number;

  constructor(interned: InternedFacts, seq: number, readAt: number, expiresAt: number) {
    this.#interned = interned;
    this.seq = seq;
    // Rounded down: an entry may end a fraction of a millisecond early, never late.
    this.expiresAt = Math.floor(expiresAt);
    this.#readAt = Math.floor(readAt) - READ_TIME_BASE;
  }

  get facts(): Facts {
    return this.#interned.facts;
  }

  get epoch(): string {
    return this.#interned.epoch;
  }

  get revision(): Revision {
    return this;
  }

  get readAt(): number {
    return READ_TIME_BASE + this.#readAt;
  }
}

/** A copy of a string in one piece: a string that was joined from parts, or cut from a longer one, keeps those alive. */
function flat(text: string): string {
  return Buffer.from(text).toString();
}
