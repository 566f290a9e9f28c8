/**
 * A subscription to core NATS, for `NATS_MODE=core` alone. Core NATS neither numbers nor keeps messages. Data that was read
 * before the subscription, or by another process, cannot be compared with its events. So each subscription has its own epoch.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { withTimeout } from '../with-timeout.ts';
import { natsTimeout, REQUEST_TIMEOUT_MS, type SessionOptions } from './apply-event.ts';

/**
 * Follows core NATS until the session ends.
 * @throws The reason: the connection ended, the server did not answer in time, or it refused the subscription.
 */
export async function followCore(options: SessionOptions): Promise<never> {
  const { connection, prefix, sink, observer, apply, clock, renewalIntervalMs } = options;
  const pongTimeoutMs = 2 * (options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS);
  const refused = new AbortController();
  const signal = AbortSignal.any([options.signal, refused.signal]);
  let seq = 0;
  let begun = false;
  connection.subscribe(`${prefix}.>`, {
    callback: (error, message) => {
      // A server can refuse the subscription at once, or later when permissions change, and go on answering pings. Without
      // the subscription a pong must not renew the lease.
      if (error !== null) refused.abort(error);
      // Before the epoch begins the sink counts by another numbering, and nothing that was read before it is current anyway.
      if (signal.aborted || !begun) return;
      seq += 1;
      apply(seq, message.subject, message.data, null);
    },
  });
  // With this pong the server has taken the subscription or has refused it. Events before it are not delivered.
  await withTimeout(pongTimeoutMs, connection.flush(), natsTimeout, signal);
  begun = true;
  // guard: epoch-of-a-core-subscription
  const epoch = `core:${randomUUID()}`;
  sink.begin(epoch, 0, null, epoch);
  observer.state('live', 'core NATS: a message that it loses is bounded by the TTL alone');
  for (;;) {
    const askedAt = clock.monotonic();
    // The pong follows every message that the server sent before it.
    await withTimeout(pongTimeoutMs, connection.flush(), natsTimeout, signal);
    sink.renewLease(askedAt);
    await delay(renewalIntervalMs, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
}
