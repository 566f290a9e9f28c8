/** The options of the listener, and of each of its sessions. */
import type { NatsConnection } from 'nats';
import type { Clock } from '../clock.ts';
import type { ApplyEvent, EventObserver } from './apply.ts';
import type { InvalidationSink } from './sink.ts';

export interface ListenerOptions {
  readonly url: string;
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

/** NATS did not answer a request in time. */
export function natsTimeout(): Error {
  return new Error('NATS did not answer in time');
}
