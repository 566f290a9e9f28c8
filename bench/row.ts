/** What is measured: the rows of the table. */
import type { Latency } from './numbers.ts';
import type { Question } from './questions.ts';

/** One measurement of one row. */
export interface Sample {
  readonly rps: number;
  /** CPU of the server's process for one request, user and system; of the caller's in the rows of the kits. */
  readonly cpuMicros: number;
  /** Of the open loop; null for a row that has none. */
  readonly latency: Latency | null;
  readonly errors: number;
}

export interface Row {
  /** For `--only` and JSON. */
  readonly name: string;
  readonly title: string;
  /** Of the open loop; null for one without. */
  readonly openRps: number | null;
  /** Decisions that one request asks for. */
  readonly decisions: number;
  /** Calls at once, for a row whose requests its own callers send one after the other. */
  readonly callers?: number;
  /** What is asked, for a row of one request; null for others. */
  readonly question: Question | null;
  /**
   * Starts what it needs, sees that answers are right, and warms up.
   * @throws {RowUnavailable} when it cannot be measured here.
   */
  start(): Promise<void>;
  measure(): Promise<Sample>;
}

/** A row that this machine, or this state of the service, does not have. The message says why. */
export class RowUnavailable extends Error {
  override readonly name = 'RowUnavailable';
}

/** Made at the first use and kept. */
export const lazy = <Made>(make: () => Promise<Made>): (() => Promise<Made>) => {
  let made: Promise<Made> | null = null;
  return () => {
    made ??= make();
    return made;
  };
};
