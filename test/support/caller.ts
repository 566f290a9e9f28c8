/** Calls as handlers and the cache know them. */

import { CallEnded } from '../../src/errors.ts';
import type { Caller } from '../../src/rpc/services.ts';

/** A call that ends when the test says so. */
export const createCaller = (options: Partial<Pick<Caller, 'name'>> = {}): Caller & { end(): void } => {
  const ended = new AbortController();
  return {
    signal: ended.signal,
    name: null,
    ...options,
    onDefect: (error) => {
      throw error;
    },
    end: () => ended.abort(new CallEnded()),
  };
};

/** A call that does not end before its answer. */
export const CALLER: Caller = createCaller();
