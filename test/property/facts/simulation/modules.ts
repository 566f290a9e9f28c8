/** The modules under test, from the repository or from a copy of it that was changed. */
import { vi } from 'vitest';
import type { createFactsCache } from '../../../../src/facts/cache.ts';
import type { databaseTier } from '../../../../src/facts/database-tier.ts';
import type { deleteChangedKeys } from '../../../../src/facts/delete-changed-keys.ts';
import type { createFreshnessTracker } from '../../../../src/facts/freshness.ts';
import type { createMemoryStore } from '../../../../src/facts/memory.ts';
import type { redisTier } from '../../../../src/facts/redis-tier.ts';
import type { createListener } from '../../../../src/invalidation/listener.ts';
import type { inOrder } from '../../../../src/invalidation/sink.ts';

export interface Modules {
  readonly createFactsCache: typeof createFactsCache;
  readonly databaseTier: typeof databaseTier;
  readonly createMemoryStore: typeof createMemoryStore;
  readonly createFreshnessTracker: typeof createFreshnessTracker;
  readonly deleteChangedKeys: typeof deleteChangedKeys;
  readonly redisTier: typeof redisTier;
  readonly createListener: typeof createListener;
  readonly inOrder: typeof inOrder;
}

/** The current implementation of the NATS library's `connect`. */
let connectTo: (options: unknown) => Promise<unknown> = () => Promise.reject(new Error('no server'));
export const setConnect = (connect: (options: unknown) => Promise<unknown>): void => {
  connectTo = connect;
};

vi.mock('nats', async (original) => ({
  ...(await original<typeof import('nats')>()),
  connect: (options: unknown) => connectTo(options),
}));
// This module must use the faked timers too, which do not replace it by themselves.
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
      'facts/cache.ts',
      'facts/database-tier.ts',
      'facts/memory.ts',
      'facts/freshness.ts',
      'facts/redis-tier.ts',
      'facts/delete-changed-keys.ts',
      'invalidation/listener.ts',
      'invalidation/sink.ts',
    ].map(load),
  );
  return Object.assign({}, ...parts);
};
