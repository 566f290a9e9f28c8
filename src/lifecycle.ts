/** In which order the parts behind the doors start, and end. */
import { LIMITS } from './limits.ts';

/** What is started and ended, of each part; null where the configuration has it not. */
export interface Parts {
  readonly policy: { start(): Promise<void>; stop(): void };
  readonly directory: { schema(): Promise<unknown>; end(): Promise<void> };
  readonly keys: { start(): Promise<void>; stop(): void };
  readonly redis: { end(): void } | null;
  readonly traces: { stop(): Promise<void> } | null;
  readonly listen: () => { readyWithin(timeoutMs: number): Promise<unknown>; stop(): Promise<void> } | null;
  readonly observe: { isAway(error: unknown): boolean };
}

export interface Lifecycle {
  /**
   * Reads the policy, finds Better Auth's tables and begins to listen to events.
   * @returns Whether PostgreSQL could be reached.
   * @throws when the policy or the database's schema cannot be used.
   */
  prepare(): Promise<boolean>;
  /** Looks again for Better Auth's tables; rejects as long as they cannot be read. */
  findTables(): Promise<void>;
  /** Stops everything behind the doors. */
  end(): Promise<void>;
}

/** Nothing is started before {@link Lifecycle.prepare}. */
export const lifecycle = ({ policy, directory, keys, redis, traces, listen, observe }: Parts): Lifecycle => {
  let listener: ReturnType<Parts['listen']> = null;

  const findTables = async (): Promise<void> => {
    await directory.schema();
    // A first fetch that fails is tried again by the key set itself.
    await keys.start();
  };
  const tryTables = async (): Promise<boolean> => {
    try {
      await findTables();
      return true;
    } catch (error) {
      if (observe.isAway(error)) return false;
      throw error;
    }
  };

  return {
    prepare: async () => {
      await policy.start();
      listener = listen();
      const [found] = await Promise.all([tryTables(), listener?.readyWithin(LIMITS.firstProofMs)]);
      return found;
    },
    findTables,
    end: async () => {
      policy.stop();
      keys.stop();
      // Each has a bound of its own, for a server that does not answer; one after the other they would exceed that of a stop.
      await Promise.all([listener?.stop(), traces?.stop(), directory.end()]);
      redis?.end();
    },
  };
};
