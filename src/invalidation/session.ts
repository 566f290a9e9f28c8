/** What listening needs. */
import type { NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import type { ApplyEvent, EventObserver } from './event-applier.ts';
import type { InvalidationSink } from './sink.ts';

export interface ListenerOptions {
  readonly url: string;
  readonly stream: string;
  readonly prefix: string;
  /** Where events come from. A setting and never a finding: core NATS is no way out where JetStream does not answer. */
  readonly mode: 'stream' | 'core';
  /** The JetStream domain of the stream; null for the one that the servers of `url` answer for. */
  readonly domain: string | null;
  /** How far back to listen at the start: the longest life of a cached entry and some more, in milliseconds. */
  readonly windowMs: number;
  /** How often to prove that events are heard, in milliseconds: a fraction of the lease. */
  readonly proofIntervalMs: number;
  readonly sink: InvalidationSink;
  readonly observer: EventObserver;
  readonly clock: Clock;
}

/** What a session needs; `signal` ends it. A session throws when it can no longer be sure to hear everything. */
export interface SessionOptions extends ListenerOptions {
  readonly connection: NatsConnection;
  readonly apply: ApplyEvent;
  readonly signal: AbortSignal;
}

/** NATS did not answer a request in time. */
export function natsTimeout(): Error {
  return new Error('NATS did not answer in time');
}
