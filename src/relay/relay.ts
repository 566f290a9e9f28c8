/**
 * From the outbox to NATS, at least once: a row is removed only after NATS has acknowledged its event. A fault ends the
 * session and both of its connections. The next session begins with the oldest row that is left.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type OutgoingEvent,
  openPublishConnection,
  type PublishConnection,
  type PublishTarget,
  toMessage,
} from '@assent/event-contract';
import { type Outbox, openOutbox } from './outbox.ts';

export interface RelayOptions extends PublishTarget {
  /** Connects as the role that may read the outbox and delete from it. */
  readonly databaseUrl: string;
  /** How long a stream that has to be created keeps messages, in milliseconds. */
  readonly maxAgeMs: number;
  /** How many rows are published before the first of them is removed, at most. */
  readonly batchSize: number;
  /** How long a row can wait when its notification is lost, in milliseconds. */
  readonly pollMs: number;
  /** How long an acknowledgement may take, in milliseconds. */
  readonly ackTimeoutMs: number;
  readonly observer: RelayObserver;
}

/** Counts and logs. Nothing here can stop the relay. */
export interface RelayObserver {
  /** `relaying`: events get through, or the outbox is empty; `standby`: another relay holds the lock. */
  readonly state: (state: 'relaying' | 'standby') => void;
  /** `count` events were acknowledged, and their rows are removed. */
  readonly relayed: (count: number) => void;
  /** A session ended by a fault; the next one begins in `retryInMs`. */
  readonly fault: (error: unknown, retryInMs: number) => void;
}

/** After this many full batches in a row many more may wait, and the last of them would be stale for long. */
const LONG_QUEUE_BATCHES = 4;
/** PostgreSQL allows a session this much more than the longest wait between two statements, in milliseconds. */
const SLACK_MS = 2_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

/** Relays until `signal` aborts. Faults of PostgreSQL and NATS delay it and do not end it. */
export async function runRelay(options: RelayOptions, signal: AbortSignal): Promise<void> {
  let retryMs = FIRST_RETRY_MS;
  while (!signal.aborted) {
    try {
      await runSession(options, signal, () => {
        retryMs = FIRST_RETRY_MS;
      });
    } catch (error) {
      if (signal.aborted) return;
      options.observer.fault(error, retryMs);
      await delay(retryMs, undefined, { signal }).catch(() => {});
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  }
}

/** One connection to each side. Throws when either breaks; `onDrained` runs whenever the outbox is empty. */
async function runSession(options: RelayOptions, signal: AbortSignal, onDrained: () => void): Promise<void> {
  const { databaseUrl, pollMs, ackTimeoutMs } = options;
  await using opened = new AsyncDisposableStack();
  const publishing = openPublishConnection({ ...options, name: 'assent-relay', background: false });
  const connection = opened.adopt(await publishing, (one) => one.close());
  const outbox = opened.adopt(await openOutbox(databaseUrl, pollMs + ackTimeoutMs + SLACK_MS), (one) => one.close());
  const ended = Promise.race([connection.ended, outbox.ended]).then((error) => {
    throw error instanceof Error ? error : new Error('the connection to NATS was closed');
  });
  const working = work(outbox, connection, options, signal, onDrained);
  working.catch(() => {});
  await Promise.race([working, ended]);
}

/** Waits for the lock, and then drains the outbox at every commit and every `pollMs`. */
async function work(
  outbox: Outbox,
  connection: PublishConnection,
  options: RelayOptions,
  signal: AbortSignal,
  onDrained: () => void,
): Promise<void> {
  const { observer, pollMs } = options;
  let reported: 'relaying' | 'standby' | null = null;
  const report = (state: 'relaying' | 'standby'): void => {
    if (reported !== state) observer.state(state);
    reported = state;
  };
  while (!signal.aborted && !(await outbox.claim())) {
    report('standby');
    await delay(pollMs, undefined, { signal }).catch(() => {});
  }
  while (!signal.aborted) {
    await drain(outbox, connection, options, () => report('relaying'), signal);
    onDrained();
    await outbox.changed(pollMs, signal);
  }
}

/** Publishes the whole outbox in batches; `onProgress` runs after each batch without a fault. */
async function drain(
  outbox: Outbox,
  connection: PublishConnection,
  { batchSize, observer, prefix }: RelayOptions,
  onProgress: () => void,
  signal: AbortSignal,
): Promise<void> {
  for (let batch = 0; !signal.aborted; batch += 1) {
    const rows = await outbox.read(batchSize);
    if (rows.length === 0) return onProgress();
    const ahead = batch === LONG_QUEUE_BATCHES && rows.length === batchSize ? [resync()] : [];
    const messages = [...ahead, ...rows.map(({ event }) => event)].map((event) => toMessage(prefix, event));
    const results = await Promise.allSettled(messages.map((message) => connection.publish(message)));
    const done = rows.filter((_, index) => results[ahead.length + index]?.status === 'fulfilled');
    if (done.length > 0) {
      await outbox.remove(done);
      observer.relayed(done.length);
    }
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    onProgress();
  }
}

/** Makes everything stale: one message that covers a long queue at once. */
function resync(): OutgoingEvent {
  return { id: randomUUID(), occurredAt: new Date().toISOString(), name: 'resync' };
}
