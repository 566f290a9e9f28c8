/** The interface that every tier behind memory has, and its innermost implementation: PostgreSQL. */
import type { Demand } from '../admission/demand.ts';
import type { Clock } from '../clock.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { unlessAborted } from '../with-timeout.ts';
import type { CachedFacts } from './entry.ts';
import type { Revision } from './freshness.ts';

/** The tier that facts came from. */
export type FactsTier = 'memory' | 'redis' | 'database';

/** Facts with the tier that had them. */
export interface LoadedFacts extends CachedFacts {
  readonly tier: FactsTier;
}

export interface FactsLoader {
  /**
   * Loads facts that are current by `revision`, which the caller takes before the call.
   * @param demand The calls that wait for the load. It ends once there is none, and rejects with the reason of the demand's
   *   signal.
   */
  load(key: FactsKey, revision: Revision, demand: Demand): Promise<LoadedFacts>;
}

/**
 * Loads facts from PostgreSQL. `readAt` is taken before the statement, so that an age is never too short.
 * @param read Settles in time, whatever PostgreSQL does: the pool bounds each wait.
 */
export function databaseTier(read: (key: FactsKey, demand: Demand) => Promise<Facts>, clock: Clock): FactsLoader {
  return {
    load: async (key, revision, demand) => {
      demand.signal.throwIfAborted();
      const readAt = clock.now();
      const facts = await unlessAborted(read(key, demand), demand.signal);
      return { facts, revision, readAt, tier: 'database' };
    },
  };
}
