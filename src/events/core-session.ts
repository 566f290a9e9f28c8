/**
 * Listening without JetStream. Core NATS neither numbers nor keeps messages, so nothing read before this subscription,
 * or by another process, can be compared with what is heard now: each subscription is an epoch of its own.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { jetStreamIsReady } from './jetstream.ts';
import type { SessionOptions } from './session.ts';
import { within } from './within.ts';

/** How often to look whether JetStream can be had by now. */
const LOOK_AGAIN_MS = 30_000;

/** Listens until the connection ends or JetStream can be had; then throws. */
export const listenToCore = async (options: SessionOptions): Promise<never> => {
  const { connection, prefix, sink, observer, applier, clock, proofIntervalMs } = options;
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
      applier.apply(seq, message.subject, message.data);
    },
  });
  // The server has the subscription, or has refused it, once it answers this; events before it are not heard.
  await within(2_000, connection.flush(), signal);
  begun = true;
  sink.begin(`core:${randomUUID()}`, 0);
  observer.state(
    'listening',
    'core NATS, without JetStream: only what this process read since it subscribed is trusted, and a lost message is bounded by the TTL alone',
  );
  let lookedAt = clock.monotonic();
  for (;;) {
    const asked = clock.monotonic();
    // The pong follows every message that the server had sent before it.
    await within(2_000, connection.flush(), signal);
    sink.heard(asked);
    if (asked - lookedAt >= LOOK_AGAIN_MS) {
      lookedAt = asked;
      // A cluster whose JetStream was not ready, or a server that has it only now. The next session begins an epoch of the
      // stream's: what was heard here is not counted by its numbers.
      if (await jetStreamIsReady(connection))
        throw new Error('JetStream can be had now: listening to the stream instead');
    }
    await delay(proofIntervalMs, undefined, { signal }).catch(() => {});
    signal.throwIfAborted();
  }
};
