/** Single-flight: one load for each key. Concurrent misses share the load while it is current and young enough. */
import { type Caller, SharedDemand } from '../admission/demand.ts';
import type { Clock } from '../clock.ts';
import type { FactsKey } from '../policy/facts.ts';
import { unlessAborted } from '../with-timeout.ts';
import { memoryKey } from './cache-key.ts';
import type { FactsLoader, LoadedFacts } from './database-tier.ts';
import type { FreshnessTracker, Revision } from './freshness.ts';

/** A load that calls may share. */
interface SharedLoad {
  readonly revision: Revision;
  /** By the monotonic clock, before the read began. */
  readonly startedAt: number;
  readonly result: Promise<LoadedFacts>;
  /** The calls that wait for it and have not ended: it goes on for the last one, and has the first turn of any. */
  readonly demand: SharedDemand;
  /** Makes sure that no later call joins it. */
  forget(): void;
}

export interface SingleFlight {
  /**
   * Loads the facts, or joins a load that is under way and still current. A failed load leaves nothing behind.
   * @param caller The promise rejects with the reason of its signal. Once every call that waits for a load has ended, the load
   *   ends too.
   */
  load(key: FactsKey, caller: Caller): Promise<LoadedFacts>;
  /** The number of loads under way. */
  size(): number;
}

export interface SingleFlightOptions {
  readonly loader: FactsLoader;
  readonly freshness: FreshnessTracker;
  readonly clock: Clock;
  /**
   * How long after its start a load may be joined, in milliseconds. A live process knows every event from before its lease
   * and refuses an older load by its revision. A stale process has only the time to go by.
   */
  readonly joinableMs: number;
}

/** Shares the loads of `loader`, which bounds each load. A call that ends does not end the load for the other calls. */
export function createSingleFlight({ loader, freshness, clock, joinableMs }: SingleFlightOptions): SingleFlight {
  const loads = new Map<string, SharedLoad>();

  return {
    load: async (key, caller) => {
      caller.signal.throwIfAborted();
      const { load, joined } = joinOrStart(key, caller);
      const loaded = await waitFor(load, caller);
      if (!joined) return loaded;
      // guard: current-when-a-joined-load-ends
      if (freshness.isCurrent(loaded.revision, key.userId, key.organizationId)) return loaded;
      // An event arrived after the joined load began. One more load is enough: it begins after that event, and an event
      // that is applied while it runs came after this call began.
      return waitFor(joinOrStart(key, caller).load, caller);
    },
    size: () => loads.size,
  };

  function joinOrStart(key: FactsKey, caller: Caller): { readonly load: SharedLoad; readonly joined: boolean } {
    const id = memoryKey(key.userId, key.organizationId);
    const load = loads.get(id);
    const joined =
      load !== undefined &&
      clock.monotonic() - load.startedAt < joinableMs &&
      // guard: current-when-a-load-is-joined
      freshness.isCurrent(load.revision, key.userId, key.organizationId);
    if (!joined) return { load: start(id, key, caller), joined: false };
    load.demand.join(caller);
    return { load, joined };
  }

  function start(id: string, key: FactsKey, caller: Caller): SharedLoad {
    // The revision comes first: an event that is applied during the read must make its result stale.
    const revision = freshness.revision();
    const startedAt = clock.monotonic();
    const demand = new SharedDemand();
    // Before the load begins: the line looks at the calls of a read as soon as it enters.
    demand.join(caller);
    const result = loader.load(key, revision, demand);
    const forget = (): void => {
      if (loads.get(id) === load) loads.delete(id);
    };
    const load: SharedLoad = { revision, startedAt, result, demand, forget };
    loads.set(id, load);
    result.then(forget, forget);
    return load;
  }
}

async function waitFor(load: SharedLoad, caller: Caller): Promise<LoadedFacts> {
  const { signal } = caller;
  try {
    return await unlessAborted(load.result, signal);
  } catch (error) {
    if (signal.aborted && load.demand.leave(caller, signal.reason)) load.forget();
    throw error;
  }
}
