/** The interface between events and caches: the change that an event announces, and the parts that take it. Pure. */
import type { Invalidation } from '@assent/event-contract';

export type { Invalidation };

/** A part that takes events. Every call is synchronous and comes in stream order. */
export interface InvalidationSink {
  /**
   * Begins a new numbering: nothing that was read before is comparable with the events that follow.
   * @param epoch Names the numbering. Processes with the same epoch compare the revisions of their reads.
   * @param lowWaterMark The number to begin with: nothing below it is current.
   * @param takenAt When the stream took the message of that number, in nanoseconds since 1970; null or absent when unknown.
   * @param history Names the numbering for clients; `epoch` when absent. It differs from `epoch` in a process that must not
   *   compare its revisions with other processes.
   */
  begin(epoch: string, lowWaterMark: number, takenAt?: string | null, history?: string): void;
  /** Moves to `seq` over events that may have been missed: nothing below it is current any more. */
  skipTo(seq: number, takenAt?: string | null): void;
  /** Applies the event `seq`; `change` names the facts that it makes stale, null when there are none. */
  apply(seq: number, change: Invalidation | null, takenAt?: string | null): void;
  /** Renews the lease: every event that was published before this monotonic moment has been applied. */
  renewLease(monotonicMs: number): void;
}

/** One sink that hands each call to every part, in this order. A part leaves out the calls that it does not need. */
export function inOrder(...parts: readonly Partial<InvalidationSink>[]): InvalidationSink {
  return {
    begin: (epoch, lowWaterMark, takenAt, history) => {
      for (const part of parts) part.begin?.(epoch, lowWaterMark, takenAt, history);
    },
    skipTo: (seq, takenAt) => {
      for (const part of parts) part.skipTo?.(seq, takenAt);
    },
    apply: (seq, change, takenAt) => {
      for (const part of parts) part.apply?.(seq, change, takenAt);
    },
    renewLease: (monotonicMs) => {
      for (const part of parts) part.renewLease?.(monotonicMs);
    },
  };
}
