/** One load per key and process: concurrent misses share it while it is current, and young enough. */
import type { Clock } from '../clock.ts';
import type { FactsKey } from '../permission/facts.ts';
import type { FactsLoader, LoadedFacts } from './facts-loader.ts';
import { memoryKey } from './keys.ts';
import type { Positions, Stamp } from './positions.ts';

interface Flight {
  readonly stamp: Stamp;
  /** By the monotonic clock, before anything was read. */
  readonly startedAt: number;
  readonly result: Promise<LoadedFacts>;
}

export interface Flights {
  /** Loads the facts, or waits for a load that is under way and still current. A failed load leaves nothing behind. */
  load(key: FactsKey): Promise<LoadedFacts>;
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

/** Shares the loads of `loader`. Each load has the loader's own bound; nobody's deadline ends it for the others. */
export const createFlights = ({ loader, positions, clock, joinableMs }: FlightsOptions): Flights => {
  const flights = new Map<string, Flight>();

  const start = (id: string, key: FactsKey): Flight => {
    // The stamp first: whatever is applied while the read is under way must be able to overrule it.
    const stamp = positions.stamp();
    const startedAt = clock.monotonic();
    const result = loader.load(key, stamp);
    const flight: Flight = { stamp, startedAt, result };
    flights.set(id, flight);
    const leave = (): void => {
      if (flights.get(id) === flight) flights.delete(id);
    };
    result.then(leave, leave);
    return flight;
  };

  const joinOrStart = (key: FactsKey): { readonly flight: Flight; readonly joined: boolean } => {
    const id = memoryKey(key.userId, key.organizationId);
    const flight = flights.get(id);
    const joined =
      flight !== undefined &&
      clock.monotonic() - flight.startedAt < joinableMs &&
      positions.current(flight.stamp, key.userId, key.organizationId);
    if (joined) return { flight, joined };
    return { flight: start(id, key), joined: false };
  };

  return {
    load: async (key) => {
      const { flight, joined } = joinOrStart(key);
      const loaded = await flight.result;
      if (!joined || positions.current(loaded.stamp, key.userId, key.organizationId)) return loaded;
      // An event overtook the load that was joined. One more load, begun after that event, and not a third: whatever is
      // applied during it came after this call began.
      return joinOrStart(key).flight.result;
    },
    size: () => flights.size,
  };
};
