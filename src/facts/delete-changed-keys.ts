/** Deletes the Redis key of a pair whose facts changed. */
import type { InvalidationSink } from '../invalidation/sink.ts';
import { redisKey } from './cache-key.ts';
import type { ValueStore } from './redis-tier.ts';

/**
 * Deletes a pair's Redis key, for the other services that read `perm:` keys and know no revisions. No answer of Assent
 * depends on it, and no call waits for it. A change of a user, of an organization or of everything deletes no key: the TTL
 * ends the entries that it made stale for other readers.
 */
export function deleteChangedKeys(store: ValueStore): Pick<InvalidationSink, 'apply'> {
  return {
    apply: (_seq, change) => {
      // guard: delete-the-redis-key-of-a-changed-pair
      if (change?.kind === 'pair') store.delete(redisKey(change));
    },
  };
}
