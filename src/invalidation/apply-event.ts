/** From a message of either mode to the changes that it announces to the sink; and the options of the sessions of both modes. */
import { type NatsTarget, parseEvent } from '@assent/event-contract';
import type { NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import type { InvalidationSink } from './sink.ts';

export interface ListenerOptions extends NatsTarget {
  readonly stream: string;
  readonly prefix: string;
  /** The source of events. A setting, never a fallback: core NATS does not replace a stream that does not answer. */
  readonly mode: 'stream' | 'core';
  /** The JetStream domain of the stream; null for the domain that the servers of `url` answer for. */
  readonly domain: string | null;
  /** How far back to read the stream at the start, in milliseconds: the longest life of a cached entry, and a margin. */
  readonly windowMs: number;
  /** How often to renew the lease, in milliseconds: a fraction of the lease. */
  readonly renewalIntervalMs: number;
  /** How long NATS may take to answer a request, in milliseconds; 1,000 when absent. An opening may take twice as long. */
  readonly requestTimeoutMs?: number | undefined;
  readonly sink: InvalidationSink;
  readonly observer: EventObserver;
  readonly clock: Clock;
}

/** The options of a session on one connection; `signal` ends it. It throws once it may have missed an event. */
export interface SessionOptions extends ListenerOptions {
  readonly connection: NatsConnection;
  readonly apply: ApplyEvent;
  readonly signal: AbortSignal;
}

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

/**
 * Hands each message to the sink as the changes that it announces. An event is applied before it is counted.
 * @param prefix The prefix of the subjects, for example `betterauth`.
 */
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

/** The default of {@link ListenerOptions.requestTimeoutMs}. */
export const REQUEST_TIMEOUT_MS = 1_000;

/** NATS did not answer a request in time. */
export function natsTimeout(): Error {
  return new Error('NATS did not answer in time');
}
