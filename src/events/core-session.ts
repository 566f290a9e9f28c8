/**
 * Listening without JetStream. Core NATS neither numbers nor keeps messages, so nothing read before this subscription,
 * or by another process, can be compared with what is heard now: each subscription is an epoch of its own.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { SessionOptions } from './session.ts';
import { withTimeout } from './timeout.ts';

/** Listens until the connection ends; then throws. */
export const listenToCore = async (options: SessionOptions): Promise<never> => {
  const { connection, prefix, sink, observer, applier, clock, signal, proofIntervalMs } = options;
  let seq = 0;
  let begun = false;
  connection.subscribe(`${prefix}.>`, {
    callback: (error, message) => {
      // Before the epoch begins the sink counts by other numbers; and what was read before it is not trusted anyway.
      if (error !== null || signal.aborted || !begun) return;
      seq += 1;
      applier.apply(seq, message.subject, message.data);
    },
  });
  // The server has the subscription once it answers this; events before it are not heard.
  await withTimeout(connection.flush(), 2_000, signal);
  begun = true;
  sink.begin(`core:${randomUUID()}`, 0);
  observer.state('listening', 'core NATS: entries of this process since this subscription only');
  for (;;) {
    const asked = clock.monotonic();
    // The pong follows every message that the server had sent before it.
    await withTimeout(connection.flush(), 2_000, signal);
    sink.heard(asked);
    await delay(proofIntervalMs, undefined, { signal });
  }
};
