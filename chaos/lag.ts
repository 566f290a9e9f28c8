/**
 * Whether replicas apply events in time: a revision must reach an event within a second of its acknowledgement while the replica's
 * link to NATS is whole. Pure but for its records.
 */
import type { FaultLog } from './fault-log.ts';
import { includes, isComparable, type Mark, type Revision } from './streams.ts';

const IN_TIME_MS = 1_000;
/** A link is whole again once its replica has had the time to find out, to connect and to ask. */
const SETTLE_MS = 5_000;

export interface LagWatch {
  acknowledged(mark: Mark, at: number): void;
  /** @returns How late the replica is in milliseconds; null when it is in time, or when its delay is not known. */
  late(replica: number, sentAt: number, revision: Revision | null): number | null;
}

export const createLagWatch = (faults: FaultLog): LagWatch => {
  /** In order of time. Of the events in the past only the last one counts: a revision includes all events before it. */
  const acknowledgements: { readonly mark: Mark; readonly at: number }[] = [];
  return {
    acknowledged: (mark, at) => {
      if (isComparable(mark)) acknowledgements.push({ mark, at });
    },
    late: (replica, sentAt, revision) => {
      while ((acknowledgements[1]?.at ?? Number.POSITIVE_INFINITY) < sentAt - KEEP_MS) acknowledgements.shift();
      const last = acknowledgements.findLast(({ at }) => at + IN_TIME_MS < sentAt);
      if (last === undefined || includes(revision, last.mark)) return null;
      if (revision !== null && !revision.exact) return null;
      const excused =
        faults.broken('nats', replica, last.at, SETTLE_MS) || faults.broken('replica', replica, last.at, SETTLE_MS);
      return excused ? null : sentAt - last.at;
    },
  };
};

/** Calls are not judged longer than this after they were sent. */
const KEEP_MS = 30_000;
