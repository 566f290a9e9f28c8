/**
 * Follows the events of NATS for the life of the process: connects, follows the stream, and starts again after every fault.
 * Each process has its own subscription, so that every process applies every event.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { connectionOptions, NO_RESPONDERS } from '@assent/event-contract';
import { connect, ErrorCode, Events, type NatsConnection, NatsError } from 'nats';
import { createApply, type ListenerOptions, type SessionOptions } from './apply-event.ts';
import { followCore } from './core-subscription.ts';
import { inOrder } from './sink.ts';
import { createStreamSubscription, followStream } from './stream-session.ts';

export interface Listener {
  /** Resolves with the first lease, or after `timeoutMs` without one. */
  readyWithin(timeoutMs: number): Promise<void>;
  stop(): Promise<void>;
}

const RETRY_MS = 250;

/** Starts in the background. NATS may be unavailable, now or later: the lease then runs out. */
export function createListener(options: ListenerOptions): Listener {
  const stopping = new AbortController();
  const ready = Promise.withResolvers<void>();
  const apply = createApply(options.prefix, options.sink, options.observer);
  const subscription = createStreamSubscription();
  const sink = inOrder(options.sink, { renewLease: () => ready.resolve() });
  let connected: NatsConnection | null = null;
  const running = run();

  return {
    readyWithin: (timeoutMs) => Promise.race([ready.promise, delay(timeoutMs, undefined, { ref: false })]),
    stop: async () => {
      stopping.abort(new Error('stopping'));
      await connected?.close();
      await running;
    },
  };

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await session();
      } catch (error) {
        if (stopping.signal.aborted) return;
        options.observer.state('stale', reasonOf(error));
      }
      await delay(RETRY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  /** One session, on one connection. */
  async function session(): Promise<void> {
    const connection = await connect({
      ...(await connectionOptions(options)),
      name: 'assent',
      // The liveness checks notice a peer that vanished silently; these pings only free its socket.
      pingInterval: 2_000,
      maxPingOut: 2,
    });
    connected = connection;
    const ended = new AbortController();
    const signal = AbortSignal.any([ended.signal, stopping.signal]);
    void connection.closed().then((error) => ended.abort(error ?? new Error('the connection was closed')));
    void (async () => {
      for await (const status of connection.status())
        if (status.type === Events.Disconnect) ended.abort(new Error('disconnected'));
    })();
    try {
      const common: SessionOptions = { ...options, sink, connection, apply, signal };
      if (options.mode === 'core') return await followCore(common);
      // guard: mode-as-a-setting
      return await followStream(common, subscription);
    } finally {
      // Messages that still arrive on this connection must not count for the next session.
      ended.abort(new Error('the session ended'));
      options.observer.lag(null);
      connected = null;
      await Promise.race([connection.close(), delay(500, undefined, { ref: false })]);
    }
  }
}

/** Why no events arrive, in the same words each time, so that it is logged once: each session gives its consumer a new name. */
function reasonOf(error: unknown): string {
  if (error instanceof NatsError) {
    // For an error that JetStream answered, the client keeps the code alone, and "not ready" has the same code 503.
    if (error.api_error !== undefined) return error.api_error.description;
    if (error.code === ErrorCode.NoResponders) return NO_RESPONDERS;
    if (error.code === ErrorCode.Timeout) return 'NATS did not answer in time';
  }
  return (error instanceof Error ? error.message : String(error)).replace(
    /assent-[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/,
    '>',
  );
}
