/**
 * A subscription to core NATS, for NATS_MODE=core alone. Core NATS neither numbers nor keeps messages. Data that was read
 * before this subscription, or by another process, cannot be compared with its events: each subscription is an epoch of its
 * own.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { withTimeout } from '../with-timeout.ts';
import { natsTimeout, type SessionOptions } from './session.ts';

/** Listens until the connection ends; then throws. */
export const listenToCore = async (options: SessionOptions): Promise<never> => {
  const { connection, prefix, sink, observer, apply, clock, proofIntervalMs } = options;
  const refused = new AbortController();
  const signal = AbortSignal.any([options.signal, refused.signal]);
  let seq = 0;
  let begun = false;
  connection.subscribe(`${prefix}.>`, {
    callback: (error, message) => {
      // The server refuses the subscription, now or when its permissions are changed, and goes on answering pings: they
      // prove nothing without it.
      if (error !== null) refused.abort(error);
      // Before the epoch begins the sink counts by other numbers; and what was read before it is not trusted anyway.
      if (signal.aborted || !begun) return;
      seq += 1;
      apply(seq, message.subject, message.data, null);
    },
  });
  // The server has the subscription, or has refused it, once it answers this; events before it are not heard.
  await withTimeout(2_000, connection.flush(), natsTimeout, signal);
  begun = true;
  // guard: epoch-of-a-core-subscription
  const epoch = `core:${randomUUID()}`;
  sink.begin(epoch, 0, null, epoch);
  observer.state('live', 'core NATS: a message that it loses is bounded by the TTL alone');
  for (;;) {
    const asked = clock.monotonic();
    // The pong follows every message that the server had sent before it.
    await withTimeout(2_000, connection.flush(), natsTimeout, signal);
    sink.renewLease(asked);
    await delay(proofIntervalMs, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
};
