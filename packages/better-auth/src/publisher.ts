/**
 * Publishes changes to NATS in the background. Events stay in memory until they are acknowledged, are published again with
 * the same id, and are bounded in number. Only `settled` waits for acknowledgements. The caller gets no error of NATS.
 *
 * This is the shell: connection-state.ts decides, event-queue.ts keeps the events.
 */
import { randomUUID } from 'node:crypto';
import {
  type EventMessage,
  openPublishConnection,
  type PublishConnection,
  type Published,
  type PublishTarget,
  toMessage,
} from '@assent/event-contract';
import { type Change, RESYNC } from './change.ts';
import { type Effect, type Input, initialState, type Moment, nextTimer, reduce } from './connection-state.ts';
import { createEventQueue, type QueuedEvent } from './event-queue.ts';

export interface PublisherOptions extends PublishTarget {
  /** Events that may wait; with one more they are all given up for one `resync`. */
  readonly bufferSize: number;
  /** The connection is closed after so long without a request or a change; 60 s when absent. */
  readonly idleMs?: number;
  /** Takes one line for people. Must not throw. */
  readonly warn: (line: string) => void;
}

export interface Publisher {
  /** A request begins: connects where there is no connection, and checks one that was silent. */
  wake(): void;
  publish(changes: readonly Change[]): void;
  /** Whether all events so far are acknowledged within `boundMs`. */
  settled(boundMs: number): Promise<boolean>;
  /** The latest acknowledgement; null when there is none, and on core NATS. */
  latest(): Published | null;
  /** How many events are not acknowledged yet. */
  pending(): number;
  /** Closes the connection unless events wait. The next use opens another one. */
  rest(): Promise<void>;
}

const IDLE_MS = 60_000;
/** How long NATS may take to acknowledge an event. */
const ACK_TIMEOUT_MS = 5_000;
/** Twice the longest life of a cached entry that Assent can be configured with (an hour): enough for every setting. */
const MAX_AGE_MS = 7_320_000;

/** Creates a publisher; it connects at the first use. */
export function createPublisher(options: PublisherOptions): Publisher {
  const { bufferSize, prefix, idleMs = IDLE_MS } = options;
  const limits = { idleMs, bufferSize };
  const queue = createEventQueue();
  let state = initialState(moment());
  let open: { readonly connection: PublishConnection; readonly number: number } | null = null;
  let connecting: Promise<void> = Promise.resolve();
  let closing: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let latest: Published | null = null;

  function dispatch(input: Input): void {
    const step = reduce(state, input, { now: moment(), waiting: queue.size }, limits);
    state = step.state;
    for (const effect of step.effects) run(effect);
    schedule();
  }

  function run(effect: Effect): void {
    switch (effect.kind) {
      case 'connect':
        connecting = connect(effect.connection).then(dispatch);
        break;
      case 'send':
        if (open === null) break;
        for (let event = queue.take(); event !== null; event = queue.take()) void send(open, event).then(dispatch);
        break;
      case 'check':
        if (open !== null) void check(open, effect.boundMs).then(dispatch);
        break;
      case 'close':
        closing = open?.connection.close().catch(() => {}) ?? closing;
        open = null;
        break;
      case 'resync':
        queue.add(messageOf(RESYNC));
        break;
      case 'warn':
        options.warn(`assent: ${effect.line}`);
    }
  }

  async function connect(number: number): Promise<Input> {
    const { url, stream, mode, domain, credentials, tls } = options;
    try {
      const connection = await openPublishConnection({
        ...{ url, stream, prefix, mode, domain, credentials, tls },
        ...{ name: 'assent-better-auth', maxAgeMs: MAX_AGE_MS, ackTimeoutMs: ACK_TIMEOUT_MS, background: true },
      });
      open = { connection, number };
      void connection.ended.then(() => dispatch({ kind: 'ended', connection: number }));
      return { kind: 'opened' };
    } catch (error) {
      return { kind: 'open failed', reason: textOf(error) };
    }
  }

  async function send({ connection, number }: NonNullable<typeof open>, event: QueuedEvent): Promise<Input> {
    try {
      const published = await connection.publish(event);
      // A message that is published again is acknowledged with its first number: that of later ones counts.
      if (published !== null && (latest === null || published.sequence > latest.sequence)) latest = published;
      const waited = queue.size;
      queue.acknowledge(event);
      return { kind: 'acknowledged', waited };
    } catch (error) {
      queue.release(event);
      return { kind: 'publish failed', connection: number, reason: textOf(error) };
    }
  }

  async function check({ connection, number }: NonNullable<typeof open>, boundMs: number): Promise<Input> {
    return { kind: 'checked', connection: number, alive: await connection.answers(boundMs) };
  }

  /** One timer; each input replaces it. */
  function schedule(): void {
    clearTimeout(timer);
    const next = nextTimer(state, { now: moment(), waiting: queue.size }, limits);
    if (next === null) return;
    timer = setTimeout(() => dispatch({ kind: 'timer' }), next.inMs);
    if (!next.keepAlive) timer.unref();
  }

  function messageOf(change: Change): EventMessage {
    return toMessage(prefix, { id: randomUUID(), occurredAt: new Date().toISOString(), ...change });
  }

  return {
    wake: () => dispatch({ kind: 'used' }),
    publish: (changes) => {
      if (changes.length === 0) return;
      const total = queue.size + changes.length;
      if (total > bufferSize) {
        options.warn(`assent: ${total} events were given up: they were more than ${bufferSize}; a resync follows`);
        queue.replaceAll(messageOf(RESYNC));
      } else for (const change of changes) queue.add(messageOf(change));
      dispatch({ kind: 'changed' });
    },
    settled: (boundMs) => queue.settled(boundMs),
    latest: () => latest,
    pending: () => queue.size,
    rest: async () => {
      dispatch({ kind: 'rest' });
      if (queue.size > 0) return;
      // An attempt under way is closed once it is open.
      await connecting;
      await closing;
    },
  };
}

/** The monotonic clock for pauses: with the wall clock set back by an hour, the next attempt would be an hour late. */
function moment(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
