/**
 * Whether replicas hear in time: a position must reach an event within a second of its acknowledgement while the replica's
 * link to NATS is whole. Pure but for what it records.
 */
import type { FaultLog } from './fault-log.ts';
import { includes, isComparable, type Mark, type Position } from './streams.ts';

const IN_TIME_MS = 1_000;
/** A link is whole again once its replica has had the time to find out, to connect and to ask. */
const SETTLE_MS = 5_000;

export interface HearingWatch {
  acknowledged(mark: Mark, at: number): void;
  /** @returns How late it is in milliseconds, null when it is not, or cannot be told. */
  late(replica: number, sentAt: number, position: Position | null): number | null;
}

export const createHearingWatch = (faults: FaultLog): HearingWatch => {
  /** In order of time; of those that are past only the last counts, since positions include all before it. */
  const acknowledgements: { readonly mark: Mark; readonly at: number }[] = [];
  return {
    acknowledged: (mark, at) => {
      if (isComparable(mark)) acknowledgements.push({ mark, at });
    },
    late: (replica, sentAt, position) => {
      while ((acknowledgements[1]?.at ?? Number.POSITIVE_INFINITY) < sentAt - KEEP_MS) acknowledgements.shift();
      const last = acknowledgements.findLast(({ at }) => at + IN_TIME_MS < sentAt);
      if (last === undefined || includes(position, last.mark)) return null;
      if (position !== null && !position.exact) return null;
      const excused =
        faults.broken('nats', replica, last.at, SETTLE_MS) || faults.broken('replica', replica, last.at, SETTLE_MS);
      return excused ? null : sentAt - last.at;
    },
  };
};

/** Calls are not judged longer than this after they were sent. */
const KEEP_MS = 30_000;
