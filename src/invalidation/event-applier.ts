/** From a message to the sink: what it makes stale is recorded before anything else happens. */
import { parseEvent } from '@assent/event-contract';
import type { InvalidationSink } from './sink.ts';

/** What is counted and logged of events; nothing here can stop the listener. */
export interface EventObserver {
  event(
    outcome: 'applied' | 'malformed' | 'unknown',
    detail: { readonly subject: string; readonly problem?: string },
  ): void;
  /** How far behind the stream this process is; null where it is not known, as without a stream. */
  lag(messages: number | null): void;
  /** The subscription became live, or it did not, or is no longer: then `detail` says why, and everything is stale. */
  state(state: 'live' | 'stale', detail: string): void;
}

/** @param takenAt When the stream took the message; null on core NATS. */
export type ApplyEvent = (seq: number, subject: string, payload: Uint8Array, takenAt: string | null) => void;

/** Creates the applier of one listener. */
export function createEventApplier(prefix: string, sink: InvalidationSink, observer: EventObserver): ApplyEvent {
  return (seq, subject, payload, takenAt) => {
    const event = parseEvent(prefix, subject, payload);
    if (event.kind === 'change') {
      for (const change of event.changes) sink.apply(seq, change, takenAt);
      observer.event('applied', { subject });
    } else if (event.kind === 'malformed') {
      // Nobody can say what it made stale.
      sink.apply(seq, { kind: 'everything' }, takenAt);
      observer.event('malformed', { subject, problem: event.problem });
    } else {
      sink.apply(seq, null, takenAt);
      observer.event('unknown', { subject });
    }
  };
}
