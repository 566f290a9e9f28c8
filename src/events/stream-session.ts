/**
 * Listening to the JetStream stream: an ephemeral push consumer without acknowledgements, whose every message is applied
 * in stream order, and a proof of hearing twice a second. Own code in place of the library's ordered consumer, which
 * restarts by itself and does not say what it may have missed.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AckPolicy,
  DeliverPolicy,
  ErrorCode,
  type JetStreamManager,
  type Msg,
  type NatsConnection,
  NatsError,
  nanos,
  ReplayPolicy,
  type StreamInfo,
} from 'nats';
import { parseDelivery } from './delivery.ts';
import type { SessionOptions } from './session.ts';
import { openStream } from './stream.ts';
import { withTimeout } from './timeout.ts';

const REQUEST_TIMEOUT_MS = 1_000;
/** A message that the stream has and that has not come by then is not going to: the consumer is listened to anew. */
const STALLED_MS = 1_500;

/** What the process has heard of the stream, kept over sessions so that the next one goes on without a gap. */
export interface StreamPosition {
  /** Which stream, by name and moment of creation. */
  stream: string;
  epoch: string;
  applied: number;
}

export const createStreamPosition = (): StreamPosition => ({ stream: '', epoch: '', applied: 0 });

/** Whether JetStream can be had. A server that has it but is not ready yet is an error, never a no. */
export const hasJetStream = async (connection: NatsConnection): Promise<boolean> => {
  if (connection.info?.jetstream === true) return true;
  // A server without JetStream may still reach one in its cluster that has it.
  try {
    await connection.request('$JS.API.INFO', '', { timeout: REQUEST_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (error instanceof NatsError && error.code === ErrorCode.NoResponders) return false;
    throw error;
  }
};

const identity = (info: StreamInfo): string => `js:${info.config.name}:${info.created}`;

/** Where to listen from, and what to tell the sink first. */
const plan = (position: StreamPosition, info: StreamInfo): 'resume' | 'rolled back' | 'anew' => {
  if (position.stream !== identity(info)) return 'anew';
  return info.state.last_seq < position.applied ? 'rolled back' : 'resume';
};

const createConsumer = async (
  { windowMs, stream }: SessionOptions,
  manager: JetStreamManager,
  deliverTo: string,
  info: StreamInfo,
  from: number | null,
) => {
  const start =
    from === null
      ? {
          deliver_policy: DeliverPolicy.StartTime,
          opt_start_time: new Date((info.ts === undefined ? Date.now() : Date.parse(info.ts)) - windowMs).toISOString(),
        }
      : { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from };
  return manager.consumers.add(stream, {
    ...start,
    // No filter: sequences then have no holes but those of messages that are gone, and each hole tells.
    name: `assent-${randomUUID()}`,
    deliver_subject: deliverTo,
    ack_policy: AckPolicy.None,
    replay_policy: ReplayPolicy.Instant,
    flow_control: true,
    idle_heartbeat: nanos(1_000),
    inactive_threshold: nanos(10_000),
    mem_storage: true,
    num_replicas: 1,
  });
};

/** Listens until something may have been missed or the connection ends; then throws. */
export const listenToStream = async (options: SessionOptions, position: StreamPosition): Promise<never> => {
  const { connection, sink, observer, applier, clock, signal, stream, prefix, windowMs, proofIntervalMs } = options;
  const manager = await connection.jetstreamManager({ timeout: REQUEST_TIMEOUT_MS, checkAPI: false });
  const failed = new AbortController();
  const anySignal = AbortSignal.any([signal, failed.signal]);

  const asked = clock.monotonic();
  const info = await withTimeout(openStream(manager, stream, prefix, 2 * windowMs), 2 * REQUEST_TIMEOUT_MS, anySignal);
  /** What the stream had at a moment, waiting to have been applied. */
  let awaited: { readonly seq: number; readonly at: number } | null = { seq: info.state.last_seq, at: asked };
  let progressAt = clock.monotonic();
  let deliveries = 0;
  let begun = false;

  const begin = (floor: number): void => {
    begun = true;
    position.applied = floor;
    sink.begin(position.epoch, floor);
  };
  const prove = (): void => {
    if (begun && awaited !== null && position.applied >= awaited.seq) {
      sink.heard(awaited.at);
      awaited = null;
    }
  };

  /** Messages that are gone from the stream cannot come any more; what they said is not known. */
  const skipWhatIsGone = ({ state }: StreamInfo): void => {
    if (!begun || state.first_seq <= position.applied + 1) return;
    position.applied = state.first_seq - 1;
    sink.skipTo(position.applied);
  };

  const onMessage = (message: Msg): void => {
    const delivery = parseDelivery(message.reply);
    if (delivery === null) {
      // A flow control request asks for an answer; a heartbeat of a stalled consumer names where to send one.
      const stalled = message.headers?.get('Nats-Consumer-Stalled') ?? '';
      if (message.reply !== undefined && message.reply !== '') message.respond();
      else if (stalled !== '') connection.publish(stalled);
      return;
    }
    deliveries += 1;
    progressAt = clock.monotonic();
    if (delivery.consumerSeq !== deliveries) {
      failed.abort(new Error('messages were lost on the way'));
      return;
    }
    const { streamSeq } = delivery;
    if (!begun) begin(streamSeq - 1);
    if (streamSeq <= position.applied) return;
    // Messages that were purged or expired before they came: what they said is not known.
    if (streamSeq > position.applied + 1) sink.skipTo(streamSeq - 1);
    applier.apply(streamSeq, message.subject, message.data);
    position.applied = streamSeq;
    prove();
  };

  const what = plan(position, info);
  if (what !== 'resume') {
    position.stream = identity(info);
    // A stream that lost its newest messages will use their numbers again, so that numbers of before mean nothing.
    position.epoch = what === 'anew' ? position.stream : `${position.stream}~${randomUUID()}`;
    position.applied = 0;
  } else {
    begun = true;
    skipWhatIsGone(info);
  }

  const deliverTo = `_INBOX.${randomUUID()}`;
  connection.subscribe(deliverTo, {
    callback: (error, message) => {
      if (error === null && !anySignal.aborted) onMessage(message);
    },
  });
  const consumer = await withTimeout(
    createConsumer(options, manager, deliverTo, info, what === 'resume' ? position.applied + 1 : null),
    REQUEST_TIMEOUT_MS,
    anySignal,
  );
  // With nothing to replay there is no first message to take the floor from. What was published since `info` is either
  // counted as pending here or comes later, above this floor.
  if (!begun && consumer.num_pending === 0 && deliveries === 0) begin(info.state.last_seq);
  prove();
  observer.state('listening', `JetStream: stream ${stream} (${what})`);

  for (;;) {
    await delay(proofIntervalMs, undefined, { signal: anySignal }).catch(() => {});
    anySignal.throwIfAborted();
    const at = clock.monotonic();
    const now = await withTimeout(manager.streams.info(stream), REQUEST_TIMEOUT_MS, anySignal);
    if (identity(now) !== position.stream) throw new Error('the stream was created anew');
    if (now.state.last_seq < position.applied) throw new Error('the stream went back');
    skipWhatIsGone(now);
    observer.lag(now.state.last_seq - position.applied);
    if (awaited === null) {
      awaited = { seq: now.state.last_seq, at };
      prove();
      if (awaited !== null) progressAt = clock.monotonic();
    } else if (clock.monotonic() - progressAt > STALLED_MS) {
      throw new Error('the consumer stopped delivering');
    }
  }
};
