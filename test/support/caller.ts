/** Calls as handlers and the cache know them. */
import type { Caller } from '../../src/cache/facts-cache.ts';
import { CallEnded } from '../../src/errors.ts';

/** A call that ends when the test says so. */
export const createCaller = (): Caller & { end(): void } => {
  const ended = new AbortController();
  return { signal: ended.signal, end: () => ended.abort(new CallEnded()) };
};

/** A call that does not end before its answer. */
export const CALLER: Caller = createCaller();
