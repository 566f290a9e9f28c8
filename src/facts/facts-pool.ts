/** Facts that say the same are kept once: most members of most organizations have one of a few sets of roles. */
import { LRUCache } from 'lru-cache';
import type { Facts } from '../policy/facts.ts';

/** Distinct facts that are shared at most; those beyond cost their own memory, nothing else. */
const MAX_DISTINCT = 10_000;
/** Of facts as JSON. An organization's people give a member dynamic roles of megabytes if they like. */
const MAX_CHARACTERS = 32_768;

/** What entries share. */
export interface PooledFacts {
  readonly facts: Facts;
  /** The epoch of the stamp that they were read with. */
  readonly epoch: string;
}

/** Returns the one object for facts of the same content and epoch; null for facts that are too large to be kept. */
export type FactsPool = (facts: Facts, epoch: string) => PooledFacts | null;

export const createFactsPool = (): FactsPool => {
  const byContent = new LRUCache<string, PooledFacts>({ max: MAX_DISTINCT });
  // Of the facts that are here. One text of it: each entry from Redis brings its own, a part of a longer one.
  let epoch = '';
  return (facts, of) => {
    if (of !== epoch) {
      epoch = Buffer.from(of).toString();
      byContent.clear();
    }
    const content = JSON.stringify(facts);
    if (content.length > MAX_CHARACTERS) return null;
    const known = byContent.get(content);
    if (known !== undefined) return known;
    const pooled = { facts, epoch };
    byContent.set(content, pooled);
    return pooled;
  };
};
