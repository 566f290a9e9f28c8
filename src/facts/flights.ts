/** One load per key and process: concurrent misses share it while it is current, and young enough. */
import type { Clock } from '../clock.ts';
import type { FactsKey } from '../policy/facts.ts';
import { unlessAborted } from '../with-timeout.ts';
import type { FactsLoader, LoadedFacts } from './facts-loader.ts';
import { memoryKey } from './keys.ts';
import type { Positions, Stamp } from './positions.ts';

interface Flight {
  readonly stamp: Stamp;
  /** By the monotonic clock, before anything was read. */
  readonly startedAt: number;
  readonly result: Promise<LoadedFacts>;
  /** Calls that wait for it and have not ended. */
  waiting: number;
  /** Ends the load, for those who may still join it, and where it is under way. */
  abandon(reason: unknown): void;
}

export interface Flights {
  /**
   * Loads the facts, or waits for a load that is under way and still current. A failed load leaves nothing behind.
   * @param signal Of the call: it is rejected with its reason. When that of every call that waits for a load is aborted, so
   *   is the load.
   */
  load(key: FactsKey, signal: AbortSignal): Promise<LoadedFacts>;
  /** How many loads are under way. */
  size(): number;
}

export interface FlightsOptions {
  readonly loader: FactsLoader;
  readonly positions: Positions;
  readonly clock: Clock;
  /**
   * How long after its start a load may be joined, in milliseconds. A live process knows what was published before its
   * proof, and refuses a load from before it; a stale one knows nothing but the time.
   */
  readonly joinableMs: number;
}

/** Shares the loads of `loader`. Each load has the loader's own bound; a call that ends does not end it for the others. */
export const createFlights = ({ loader, positions, clock, joinableMs }: FlightsOptions): Flights => {
  const flights = new Map<string, Flight>();

  const start = (id: string, key: FactsKey): Flight => {
    // The stamp first: whatever is applied while the read is under way must be able to overrule it.
    const stamp = positions.stamp();
    const startedAt = clock.monotonic();
    const unwanted = new AbortController();
    const result = loader.load(key, stamp, unwanted.signal);
    const leave = (): void => {
      if (flights.get(id) === flight) flights.delete(id);
    };
    const abandon = (reason: unknown): void => {
      leave();
      unwanted.abort(reason);
    };
    const flight: Flight = { stamp, startedAt, result, waiting: 0, abandon };
    flights.set(id, flight);
    result.then(leave, leave);
    return flight;
  };

  const joinOrStart = (key: FactsKey): { readonly flight: Flight; readonly joined: boolean } => {
    const id = memoryKey(key.userId, key.organizationId);
    const flight = flights.get(id);
    const joined =
      flight !== undefined &&
      clock.monotonic() - flight.startedAt < joinableMs &&
      // guard: current-when-a-load-is-joined
      positions.current(flight.stamp, key.userId, key.organizationId);
    if (joined) return { flight, joined };
    return { flight: start(id, key), joined: false };
  };

  return {
    load: async (key, signal) => {
      signal.throwIfAborted();
      const { flight, joined } = joinOrStart(key);
      const loaded = await wait(flight, signal);
      if (!joined) return loaded;
      // guard: current-when-a-joined-load-ends
      if (positions.current(loaded.stamp, key.userId, key.organizationId)) return loaded;
      // An event overtook the load that was joined. One more load, begun after that event, and not a third: whatever is
      // applied during it came after this call began.
      return wait(joinOrStart(key).flight, signal);
    },
    size: () => flights.size,
  };
};

async function wait(flight: Flight, signal: AbortSignal): Promise<LoadedFacts> {
  flight.waiting += 1;
  try {
    return await unlessAborted(flight.result, signal);
  } catch (error) {
    if (signal.aborted) {
      flight.waiting -= 1;
      if (flight.waiting === 0) flight.abandon(signal.reason);
    }
    throw error;
  }
}
