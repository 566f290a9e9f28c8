/** The interface that every tier behind memory has, and its innermost implementation: PostgreSQL. */
import type { Clock } from '../clock.ts';
import { AssentError } from '../errors.ts';
import type { Facts, FactsKey } from '../policy/facts.ts';
import { withTimeout } from '../with-timeout.ts';
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
   * @param signal Ends the load once no call waits for it. The load then rejects with the signal's reason.
   */
  load(key: FactsKey, revision: Revision, signal: AbortSignal): Promise<LoadedFacts>;
}

/**
 * Loads facts from PostgreSQL. `readAt` is taken before the statement, so that an age is never too short.
 * @param timeoutMs The load rejects after this time, whatever the driver does: the calls that wait must not hang with the
 *   driver, and a result that arrives later is not cached.
 * @throws AssentError `DATABASE_UNAVAILABLE` after the timeout.
 */
export function databaseTier(
  read: (key: FactsKey, signal: AbortSignal) => Promise<Facts>,
  clock: Clock,
  timeoutMs: number,
): FactsLoader {
  return {
    load: async (key, revision, signal) => {
      signal.throwIfAborted();
      const readAt = clock.now();
      const facts = await withTimeout(timeoutMs, read(key, signal), databaseTimeout, signal);
      return { facts, revision, readAt, tier: 'database' };
    },
  };
}

function databaseTimeout(): Error {
  return new AssentError('DATABASE_UNAVAILABLE', 'The database did not answer in time: try again.');
}
