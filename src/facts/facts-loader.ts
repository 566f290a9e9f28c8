/** The interface that every tier behind memory has, and its innermost implementation. */
import type { Clock } from '../clock.ts';
import { AssentError } from '../errors.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { withTimeout } from '../with-timeout.ts';
import type { CachedFacts } from './entry.ts';
import type { Stamp } from './positions.ts';

/** The tier that facts came from. */
export type FactsTier = 'memory' | 'redis' | 'database';

/** Facts with the tier that had them. */
export interface LoadedFacts extends CachedFacts {
  readonly tier: FactsTier;
}

export interface FactsLoader {
  /**
   * Loads facts that are current by the stamp that was taken before the call.
   * @param signal Ends the load, which then rejects with its reason: nobody waits for it any more.
   */
  load(key: FactsKey, stamp: Stamp, signal: AbortSignal): Promise<LoadedFacts>;
}

const late = (): Error => new AssentError('DATABASE_UNAVAILABLE', 'The database did not answer in time: try again.');

/**
 * Loads from PostgreSQL; `readAt` is taken before the statement, so that an age is never counted too short.
 * @param timeoutMs After this a load is given up, whatever the driver does: those who wait for it must not hang with it,
 *   and nothing that it still brings is cached.
 */
export const databaseFacts = (
  read: (key: FactsKey, signal: AbortSignal) => Promise<Facts>,
  clock: Clock,
  timeoutMs: number,
): FactsLoader => ({
  load: async (key, stamp, signal) => {
    signal.throwIfAborted();
    const readAt = clock.now();
    return { facts: await withTimeout(timeoutMs, read(key, signal), late, signal), stamp, readAt, tier: 'database' };
  },
});
