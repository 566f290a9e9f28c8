/** What the bench and the programs that call by a kit say to each other, as JSON. */
import type { Subject } from '../questions.ts';

/** The way of asking: the gRPC library alone, the kit as it is by default, or the kit without batching. */
export type Way = 'bare' | 'batched' | 'unbatched';

/** The first message. It is answered by `{ ready: true }` once each way has been answered as expected. */
export interface CallerInput {
  readonly address: string;
  readonly permission: string;
  /** One for each caller, all different, so that equal checks are not joined. */
  readonly subjects: readonly Subject[];
}

/** One measurement. */
export interface CallerOrder {
  readonly way: Way;
  /** Each asks its next check when its last one is answered. */
  readonly callers: number;
  readonly seconds: number;
}

export interface CallerResult {
  /** Decisions a second, of all callers. */
  readonly rps: number;
  /** CPU of the calling process for one decision, user and system, in microseconds. */
  readonly cpuMicros: number;
  /** Decisions that failed or were no. */
  readonly errors: number;
  /** Of each decision, in microseconds; empty for more than one caller. */
  readonly latencies: readonly number[];
}

/** A program that calls, as the bench sees it. */
export interface Caller {
  measure(order: CallerOrder): Promise<CallerResult>;
}
