/** From a message to the sink. An event is applied before it is counted. */
import { parseEvent } from '@assent/event-contract';
import type { InvalidationSink } from './sink.ts';

/** Counts and logs events; it cannot stop the listener. */
export interface EventObserver {
  event(
    outcome: 'applied' | 'malformed' | 'unknown',
    detail: { readonly subject: string; readonly problem?: string },
  ): void;
  /** How many messages this process is behind the stream; null when this is not known, as without a stream. */
  lag(messages: number | null): void;
  /** The subscription became live, or it is stale: it failed to start or was lost, for the reason `detail`. */
  state(state: 'live' | 'stale', detail: string): void;
}

/** @param takenAt When the stream took the message, in nanoseconds since 1970; null on core NATS. */
export type ApplyEvent = (seq: number, subject: string, payload: Uint8Array, takenAt: string | null) => void;

/** @param prefix The prefix of the subjects, for example `betterauth`. */
export function createApply(prefix: string, sink: InvalidationSink, observer: EventObserver): ApplyEvent {
  return (seq, subject, payload, takenAt) => {
    const event = parseEvent(prefix, subject, payload);
    if (event.kind === 'change') {
      for (const change of event.changes) sink.apply(seq, change, takenAt);
      observer.event('applied', { subject });
    } else if (event.kind === 'malformed') {
      // The facts that it made stale are not known.
      sink.apply(seq, { kind: 'everything' }, takenAt);
      observer.event('malformed', { subject, problem: event.problem });
    } else {
      sink.apply(seq, null, takenAt);
      observer.event('unknown', { subject });
    }
  };
}
