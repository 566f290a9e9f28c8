/** The calls that want one read of PostgreSQL, as far as admission looks at them. */

/** A call that may have to wait for PostgreSQL. */
export interface Caller {
  /**
   * Aborted when the call ends before its answer, by its deadline or because its caller has gone. Created on first use: most
   * answers are in memory and need none.
   */
  readonly signal: AbortSignal;
  /** The name of the caller, which has one share of the connections; null where callers are not authenticated. */
  readonly name: string | null;
}

/** The demand for one read: its calls may become more and fewer while it waits. */
export interface Demand {
  /** Aborted when no call wants the read any more. */
  readonly signal: AbortSignal;
  readonly callers: ReadonlySet<Caller>;
  /** Watches the calls from now on; null ends that. There is one watcher at most. */
  watch(watcher: DemandWatcher | null): void;
}

export interface DemandWatcher {
  joined(caller: Caller): void;
  left(caller: Caller): void;
}

/** The demand of one call. */
export function demandOf(caller: Caller): Demand {
  return { signal: caller.signal, callers: new Set([caller]), watch: () => {} };
}

/** The demand of the service itself, for a read that no call waits for. */
export function ownDemand(signal: AbortSignal = new AbortController().signal): Demand {
  return demandOf({ signal, name: OWN_READS });
}

/** The share of the service itself. No caller has this name. */
const OWN_READS = '';

/** The demand of all calls that share one load. */
export class SharedDemand implements Demand {
  readonly #unwanted = new AbortController();
  readonly #callers = new Set<Caller>();
  #watcher: DemandWatcher | null = null;

  get signal(): AbortSignal {
    return this.#unwanted.signal;
  }

  get callers(): ReadonlySet<Caller> {
    return this.#callers;
  }

  watch(watcher: DemandWatcher | null): void {
    this.#watcher = watcher;
  }

  join(caller: Caller): void {
    if (this.#callers.has(caller)) return;
    this.#callers.add(caller);
    this.#watcher?.joined(caller);
  }

  /**
   * Takes a call out that has ended.
   * @returns Whether it was the last one. The demand is over then, and its signal is aborted with `reason`.
   */
  leave(caller: Caller, reason: unknown): boolean {
    if (!this.#callers.delete(caller) || this.#callers.size > 0) {
      this.#watcher?.left(caller);
      return false;
    }
    this.#unwanted.abort(reason);
    return true;
  }
}
