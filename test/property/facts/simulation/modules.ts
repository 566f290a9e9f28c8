/** The modules under test, from the repository or from a copy of it that was changed. */
import { vi } from 'vitest';
import type { createFactsCache } from '../../../../src/facts/facts-cache.ts';
import type { databaseFacts } from '../../../../src/facts/facts-loader.ts';
import type { createMemoryStore } from '../../../../src/facts/memory.ts';
import type { createPositions } from '../../../../src/facts/positions.ts';
import type { clearOnChange, redisFacts } from '../../../../src/facts/redis-facts.ts';
import type { createListener } from '../../../../src/invalidation/listener.ts';

export interface Modules {
  readonly createFactsCache: typeof createFactsCache;
  readonly databaseFacts: typeof databaseFacts;
  readonly createMemoryStore: typeof createMemoryStore;
  readonly createPositions: typeof createPositions;
  readonly clearOnChange: typeof clearOnChange;
  readonly redisFacts: typeof redisFacts;
  readonly createListener: typeof createListener;
}

/** What `connect` of the NATS library does at the moment. */
let connectTo: (options: unknown) => Promise<unknown> = () => Promise.reject(new Error('no server'));
export const setConnect = (connect: (options: unknown) => Promise<unknown>): void => {
  connectTo = connect;
};

vi.mock('nats', async (original) => ({
  ...(await original<typeof import('nats')>()),
  connect: (options: unknown) => connectTo(options),
}));
// Waiting goes by the faked timers too, which do not reach this module by themselves.
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const abort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', abort);
        resolve(value);
      }, ms);
      signal?.addEventListener('abort', abort, { once: true });
    }),
}));

/** Loads the modules below a folder that is `src` or a copy of it. */
export const loadModules = async (source: string): Promise<Modules> => {
  const load = (path: string): Promise<Partial<Modules>> => import(/* @vite-ignore */ `${source}/${path}`);
  const parts = await Promise.all(
    [
      'facts/facts-cache.ts',
      'facts/facts-loader.ts',
      'facts/memory.ts',
      'facts/positions.ts',
      'facts/redis-facts.ts',
      'invalidation/listener.ts',
    ].map(load),
  );
  return Object.assign({}, ...parts);
};
