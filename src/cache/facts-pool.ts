/** Facts that say the same are kept once: most members of most organizations have one of a few sets of roles. */
import { LRUCache } from 'lru-cache';
import type { Facts } from '../permission/facts.ts';

/** Distinct facts that are shared at most; those beyond cost their own memory, nothing else. */
const MAX_DISTINCT = 10_000;

/** Returns the one object for facts of the same content. */
export type FactsPool = (facts: Facts) => Facts;

export const createFactsPool = (): FactsPool => {
  const byContent = new LRUCache<string, Facts>({ max: MAX_DISTINCT });
  return (facts) => {
    const content = JSON.stringify(facts);
    const known = byContent.get(content);
    if (known !== undefined) return known;
    byContent.set(content, facts);
    return facts;
  };
};
