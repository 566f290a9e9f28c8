/**
 * Keeps one ear at NATS for the life of the process: connects, listens, and begins again after every fault. Each process
 * has an ear of its own, so that every process hears every event.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { NO_RESPONDERS, serversOf } from '@assent/event-contract';
import { connect, ErrorCode, Events, type NatsConnection, NatsError } from 'nats';
import { listenToCore } from './core-session.ts';
import { createEventApplier } from './event-applier.ts';
import type { ListenerOptions, SessionOptions } from './session.ts';
import { inOrder } from './sink.ts';
import { createStreamPosition } from './stream-position.ts';
import { listenToStream } from './stream-session.ts';

export interface Listener {
  /** Resolves with the first proof of hearing, or after `timeoutMs` without one. */
  readyWithin(timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}

const RETRY_MS = 250;

/** Starts listening in the background. NATS may be away, now or later: the positions' lease then runs out. */
export const createListener = (options: ListenerOptions): Listener => {
  const stopping = new AbortController();
  const ready = Promise.withResolvers<void>();
  const apply = createEventApplier(options.prefix, options.sink, options.observer);
  const position = createStreamPosition();
  let live: NatsConnection | null = null;

  const sink = inOrder(options.sink, { renewLease: () => ready.resolve() });

  /** One connection, for as long as it lasts: the client's own reconnecting would hide how long it was gone. */
  const session = async (): Promise<void> => {
    const connection = await connect({
      ...serversOf(options.url),
      name: 'assent',
      reconnect: false,
      timeout: 2_000,
      // A peer that vanished without a word is noticed by the proofs; these pings only free its socket.
      pingInterval: 2_000,
      maxPingOut: 2,
    });
    live = connection;
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, stopping.signal]);
    void connection.closed().then((error) => ended.abort(error ?? new Error('the connection was closed')));
    void (async () => {
      for await (const status of connection.status())
        if (status.type === Events.Disconnect) ended.abort(new Error('disconnected'));
    })();
    try {
      const common: SessionOptions = { ...options, sink, connection, apply, signal };
      if (options.mode === 'core') return await listenToCore(common);
      // guard: mode-as-a-setting
      return await listenToStream(common, position);
    } finally {
      // From here on its messages are another session's to hear: a late one must not be taken for one of the next.
      ended.abort(new Error('the session ended'));
      options.observer.lag(null);
      live = null;
      await Promise.race([connection.close(), delay(500, undefined, { ref: false })]);
    }
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        await session();
      } catch (error) {
        if (stopping.signal.aborted) return;
        options.observer.state('stale', reasonOf(error));
      }
      await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
  };
  const running = run();

  return {
    readyWithin: (timeoutMs) => Promise.race([ready.promise, delay(timeoutMs, undefined, { ref: false })]),
    stop: async () => {
      stopping.abort(new Error('stopping'));
      await live?.close();
      await running;
    },
  };
};

/** Why there are no events, in the same words each time, so that it is logged once: each session names its consumer anew. */
function reasonOf(error: unknown): string {
  if (error instanceof NatsError) {
    // Of an error that JetStream answered with the client keeps the code alone, which for "not ready" is the same 503.
    if (error.api_error !== undefined) return error.api_error.description;
    if (error.code === ErrorCode.NoResponders) return NO_RESPONDERS;
    if (error.code === ErrorCode.Timeout) return 'NATS did not answer in time';
  }
  return (error instanceof Error ? error.message : String(error)).replace(
    /assent-[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/,
    '>',
  );
}
