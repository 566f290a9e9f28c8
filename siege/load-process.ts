/** The parent's side of load.ts. */
import { startChild } from '../bench/child.ts';

/** The message of every call. */
export interface Message {
  /** As base64. */
  readonly body: string;
  /** Where it has ids of 32 hexadecimal digits, to be other ones in each call. */
  readonly idsAt: readonly number[];
}

/** A part of a load, after which the next one begins at once. */
export interface LoadPart {
  readonly seconds: number;
  /** Calls a second, where nothing is in flight at once by number. */
  readonly rate: number;
  /** Calls in flight, each followed by the next; null: calls at the rate. */
  readonly inFlight: number | null;
  /** From which time on an answer is slow, in milliseconds. */
  readonly slowMs: number;
}

export interface LoadOrder {
  readonly port: number;
  readonly path: string;
  readonly token: string;
  readonly message: Message;
  readonly connections: number;
  readonly deadlineMs: number;
  readonly parts: readonly LoadPart[];
}

/** What came of a part. */
export interface LoadResult {
  readonly sent: number;
  /** Calls that were answered in time, a second. */
  readonly perSecond: number;
  readonly failed: number;
  /** Of answered calls, in milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** From the start of the part to the end of its last slow or failed call, in milliseconds. */
  readonly lastBadMs: number;
}

export interface Load {
  /** Runs the parts one after the other. */
  run(order: LoadOrder): Promise<readonly LoadResult[]>;
  stop(): Promise<void>;
}

export function startLoad(cores: string | null): Load {
  const child = startChild(cores, '../siege/load.ts', []);
  return { run: (order) => child.ask<readonly LoadResult[]>(order), stop: child.stop };
}

/** Calls at a rate. */
export function atRate(rate: number, seconds: number, slowMs = Number.MAX_VALUE): LoadPart {
  return { seconds, rate, inFlight: null, slowMs };
}

/** As many calls as are answered, this many in flight. */
export function inFlight(count: number, seconds: number): LoadPart {
  return { seconds, rate: 0, inFlight: count, slowMs: Number.MAX_VALUE };
}
