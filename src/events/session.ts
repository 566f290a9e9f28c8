/** What listening needs. */
import type { NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import type { EventApplier, EventObserver, EventSink } from './event-applier.ts';

export interface ListenerOptions {
  readonly url: string;
  readonly stream: string;
  readonly prefix: string;
  /** How far back to listen at the start: the longest life of a cached entry and some more, in milliseconds. */
  readonly windowMs: number;
  /** How often to prove that events are heard, in milliseconds: a fraction of the lease. */
  readonly proofIntervalMs: number;
  readonly sink: EventSink;
  readonly observer: EventObserver;
  readonly clock: Clock;
}

/** What a session needs; `signal` ends it. A session throws when it can no longer be sure to hear everything. */
export interface SessionOptions extends ListenerOptions {
  readonly connection: NatsConnection;
  readonly applier: EventApplier;
  readonly signal: AbortSignal;
}
