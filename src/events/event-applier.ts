/** From a message to the sink: what it makes stale is recorded before anything else happens. */
import type { Clock } from '../clock.ts';
import type { FactsChange } from '../permission/facts.ts';
import { parseEvent } from './subjects.ts';

/** Where events go: the positions of the cache. Every call is synchronous and in stream order. */
export interface EventSink {
  /** A stream was found, or found anew: nothing read before is comparable with what comes now. */
  begin(epoch: string, floor: number): void;
  /** Events up to `seq` may have been missed. */
  skipTo(seq: number): void;
  /** The event `seq` was heard; `change` is what it makes stale, null when nothing. */
  apply(seq: number, change: FactsChange | null): void;
  /** Every event that had been published by this monotonic moment has been applied. */
  heard(monotonicMs: number): void;
}

/** What is counted and logged of events; nothing here can stop the listener. */
export interface EventObserver {
  event(
    outcome: 'applied' | 'malformed' | 'unknown',
    detail: { readonly subject: string; readonly problem?: string },
  ): void;
  /** How far behind the stream this process is; null where it is not known, as without a stream. */
  lag(messages: number | null): void;
  /** The state of the ear changed. */
  state(state: 'listening' | 'deaf', detail: string): void;
}

/** At most one full resync a second for messages that nobody can read: a broken publisher must not empty all caches. */
const RESYNC_INTERVAL_MS = 1_000;

export interface EventApplier {
  apply(seq: number, subject: string, payload: Uint8Array): void;
  /** Does a resync that is due, now: nobody may be left to do it later. */
  flush(): void;
}

/** Creates the applier of one listener. */
export const createEventApplier = (
  prefix: string,
  sink: EventSink,
  observer: EventObserver,
  clock: Clock,
): EventApplier => {
  let lastResync = Number.NEGATIVE_INFINITY;
  let due: NodeJS.Timeout | null = null;
  let lastSeq = 0;

  const resync = (): void => {
    due = null;
    lastResync = clock.monotonic();
    sink.apply(lastSeq, { kind: 'everything' });
  };

  return {
    apply: (seq, subject, payload) => {
      lastSeq = seq;
      const event = parseEvent(prefix, subject, payload);
      if (event.kind === 'change') {
        for (const change of event.changes) sink.apply(seq, change);
        observer.event('applied', { subject });
        return;
      }
      sink.apply(seq, null);
      if (event.kind === 'unknown') {
        observer.event('unknown', { subject });
        return;
      }
      observer.event('malformed', { subject, problem: event.problem });
      if (due !== null) return;
      const wait = lastResync + RESYNC_INTERVAL_MS - clock.monotonic();
      if (wait <= 0) resync();
      else due = setTimeout(resync, wait).unref();
    },
    flush: () => {
      if (due === null) return;
      clearTimeout(due);
      resync();
    },
  };
};
