/**
 * From the outbox to NATS, at least once: a row is removed only after JetStream acknowledged it. Whatever breaks ends the
 * session, both connections with it, and the next one begins with the oldest row that is left.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type OutgoingEvent, openPublisher, type Publisher, type PublisherOptions } from '../events/publisher.ts';
import { type Outbox, openOutbox } from './outbox.ts';

export interface RelayOptions extends PublisherOptions {
  /** Of the role that may read the outbox and delete from it. */
  readonly databaseUrl: string;
  /** Rows that are published before the first of them is removed, at most. */
  readonly batchSize: number;
  /** How long a row can wait whose notification got lost, in milliseconds. */
  readonly pollMs: number;
  readonly observer: RelayObserver;
}

export interface RelayObserver {
  /** `relaying`: events get through, or there are none; `standby`: another relay is at work. */
  readonly state: (state: 'relaying' | 'standby') => void;
  /** So many events were acknowledged and removed. */
  readonly relayed: (count: number) => void;
  /** A session ended by a fault; the next one begins in `retryInMs`. */
  readonly fault: (error: unknown, retryInMs: number) => void;
}

/** After so many full batches in a row there may be many more, and the last of them would be stale for long. */
const LONG_QUEUE_BATCHES = 4;
/** What a session of PostgreSQL is given beyond the longest wait between two statements. */
const SLACK_MS = 2_000;
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

/** Everything may have changed: says at once what a long queue says one by one. */
const resync = (): OutgoingEvent => ({
  id: randomUUID(),
  occurredAt: new Date().toISOString(),
  name: 'resync',
  userId: null,
  organizationId: null,
});

/** Publishes everything that is in the outbox; `getsThrough` is called after each step without a fault. */
const drain = async (
  outbox: Outbox,
  publisher: Publisher,
  { batchSize, observer }: RelayOptions,
  getsThrough: () => void,
  signal: AbortSignal,
): Promise<void> => {
  for (let batch = 0; !signal.aborted; batch += 1) {
    const rows = await outbox.read(batchSize);
    if (rows.length === 0) return getsThrough();
    const ahead = batch === LONG_QUEUE_BATCHES && rows.length === batchSize ? [resync()] : [];
    const { acknowledged, fault } = await publisher.publish([...ahead, ...rows.map(({ event }) => event)]);
    const done = rows.filter((_, index) => acknowledged[ahead.length + index]);
    if (done.length > 0) {
      await outbox.remove(done);
      observer.relayed(done.length);
    }
    if (acknowledged.includes(false)) throw fault;
    getsThrough();
  }
};

/** Relays until `signal` aborts; faults of PostgreSQL and NATS are outlived. */
export const runRelay = async (options: RelayOptions, signal: AbortSignal): Promise<void> => {
  const { observer, pollMs, ackTimeoutMs } = options;
  const silenceMs = pollMs + ackTimeoutMs + SLACK_MS;
  let retryMs = FIRST_RETRY_MS;

  const work = async (outbox: Outbox, publisher: Publisher): Promise<void> => {
    let said: 'relaying' | 'standby' | null = null;
    const say = (state: 'relaying' | 'standby'): void => {
      if (said !== state) observer.state(state);
      said = state;
    };
    while (!signal.aborted && !(await outbox.claim())) {
      say('standby');
      await delay(pollMs, undefined, { signal }).catch(() => {});
    }
    while (!signal.aborted) {
      await drain(outbox, publisher, options, () => say('relaying'), signal);
      retryMs = FIRST_RETRY_MS;
      await outbox.changed(pollMs, signal);
    }
  };
  const session = async (): Promise<void> => {
    await using opened = new AsyncDisposableStack();
    const publisher = opened.adopt(await openPublisher(options), (one) => one.close());
    const outbox = opened.adopt(await openOutbox(options.databaseUrl, silenceMs), (one) => one.close());
    const ended = Promise.race([publisher.gone, outbox.gone]).then((error) => {
      throw error instanceof Error ? error : new Error('the connection to NATS was closed');
    });
    const working = work(outbox, publisher);
    working.catch(() => {});
    await Promise.race([working, ended]);
  };

  while (!signal.aborted) {
    try {
      await session();
    } catch (error) {
      if (signal.aborted) return;
      observer.fault(error, retryMs);
      await delay(retryMs, undefined, { signal }).catch(() => {});
      retryMs = Math.min(retryMs * 2, MAX_RETRY_MS);
    }
  }
};
