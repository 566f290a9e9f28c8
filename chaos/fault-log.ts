/** What was broken when: why a call may have failed, and whether a replica's link to NATS was whole. Pure. */
import type { Part } from './plan.ts';

/** Something that is broken, from when until when. */
interface Interval {
  readonly part: Part;
  readonly replica: number | 'all';
  readonly from: number;
  to: number;
}

export interface FaultLog {
  /** @returns Ends it, with the time. */
  begin(part: Part, replica: number | 'all', at: number): (at: number) => void;
  /** Whether the part, as this replica needs it, was broken at any time from `from` on, or had healed less than `settleMs` before. */
  broken(part: Part, replica: number, from: number, settleMs: number): boolean;
}

/** Long after its end a fault is not looked up any more. */
const KEEP_MS = 60_000;

export const createFaultLog = (): FaultLog => {
  let intervals: Interval[] = [];
  return {
    begin: (part, replica, at) => {
      intervals = intervals.filter(({ to }) => to + KEEP_MS > at);
      const interval: Interval = { part, replica, from: at, to: Number.POSITIVE_INFINITY };
      intervals.push(interval);
      return (end) => {
        interval.to = end;
      };
    },
    broken: (part, replica, from, settleMs) =>
      intervals.some(
        (interval) =>
          interval.part === part &&
          (interval.replica === 'all' || interval.replica === replica) &&
          interval.to + settleMs > from,
      ),
  };
};
