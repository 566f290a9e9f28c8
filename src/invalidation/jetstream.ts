/** The parts of JetStream's protocol that the subscription reads and writes. */
import { randomUUID } from 'node:crypto';
import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
  NatsError,
  nanos,
  ReplayPolicy,
  type StreamInfo,
} from 'nats';

/** The numbers of a message that a consumer delivers. */
export interface Delivery {
  /** The message's number in the stream. */
  readonly streamSeq: number;
  /** How many messages the consumer has delivered, including this one. */
  readonly consumerSeq: number;
  /** When the stream took the message, in nanoseconds since 1970. */
  readonly takenAt: string;
}

/**
 * Reads a reply subject (ADR-15 of NATS): `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>`,
 * or the same with domain and account in front of the stream. Null for other messages, such as heartbeats and flow control.
 */
export function parseDelivery(reply: string | undefined): Delivery | null {
  if (reply === undefined || !reply.startsWith('$JS.ACK.')) return null;
  const tokens = reply.split('.');
  const offset = tokens.length >= 11 ? 2 : 0;
  const streamSeq = Number(tokens[5 + offset]);
  const consumerSeq = Number(tokens[6 + offset]);
  const takenAt = tokens[7 + offset];
  if (!Number.isSafeInteger(streamSeq) || !Number.isSafeInteger(consumerSeq) || takenAt === undefined) return null;
  return { streamSeq, consumerSeq, takenAt };
}

/** A moment in nanoseconds since 1970 as RFC 3339, with all nine digits. */
export function momentOf(nanoseconds: string): string {
  const seconds = new Date(Number(nanoseconds.slice(0, -9)) * 1_000).toISOString().slice(0, 19);
  return `${seconds}.${nanoseconds.slice(-9)}Z`;
}

const MOMENT = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** A moment of an API answer in nanoseconds since 1970; null when the answer has none. */
export function nanosecondsOf(moment: string): string | null {
  const [, seconds, fraction = '', zone = ''] = MOMENT.exec(moment) ?? [];
  if (seconds === undefined) return null;
  const sinceEpoch = Date.parse(`${seconds}${zone}`) / 1_000;
  return sinceEpoch > 0 ? `${sinceEpoch}${fraction.padEnd(9, '0')}` : null;
}

/** The state of a stream, as far as a subscription needs it. */
export interface StreamSnapshot {
  /** Tells a stream from another one of the same name that was created later. */
  readonly identity: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** When the stream took its last message, in nanoseconds since 1970; null when it has none. */
  readonly lastTakenAt: string | null;
  readonly messages: number;
  /** How long before this answer another leader may have taken over, in milliseconds. */
  readonly leaderDoubtMs: number;
}

/**
 * Reads the answer about a stream.
 * @throws when the server does not say when the stream was created. It answers with the year 1 until it has noted the moment, and
 * two streams of one name would have one identity.
 */
export function snapshotOf(info: StreamInfo): StreamSnapshot {
  const { config, created, state } = info;
  if (created.startsWith('0001-')) {
    throw new Error(`NATS does not know yet when the stream ${config.name} was created`);
  }
  return {
    identity: `js:${config.name}:${created}`,
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    lastTakenAt: nanosecondsOf(state.last_ts),
    messages: state.messages,
    leaderDoubtMs: leaderDoubtMs(info),
  };
}

/**
 * How long before its answer a leader may have been replaced without its knowledge, in milliseconds. A leader that is cut off
 * goes on answering for half a minute and more, while the other servers elect a leader that acknowledges events. No such
 * election happens before a majority of the servers, including the old leader, has last been in contact.
 */
export function leaderDoubtMs({ cluster }: Pick<StreamInfo, 'cluster'>): number {
  const others = cluster?.replicas ?? [];
  const silences = others
    // `active: 0` means that the replica never answered, unless `current` says that it is up to date.
    .map(({ active, current, offline }) =>
      offline === true || (active === 0 && !current) ? Number.POSITIVE_INFINITY : active,
    )
    .sort((one, other) => one - other);
  const needed = Math.floor((others.length + 1) / 2);
  return (needed === 0 ? 0 : (silences[needed - 1] ?? Number.POSITIVE_INFINITY)) / 1_000_000;
}

/** Where a consumer begins: at a number, or at the first message that was taken at a moment (RFC 3339) or later. */
export type DeliverFrom = { readonly seq: number } | { readonly moment: string };

/** Adds an ephemeral consumer. The server removes it once its subject has no subscription. */
export function addConsumer(
  manager: JetStreamManager,
  stream: string,
  deliverTo: string,
  from: DeliverFrom,
): Promise<ConsumerInfo> {
  return manager.consumers.add(stream, {
    ...('seq' in from
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: from.seq }
      : { deliver_policy: DeliverPolicy.StartTime, opt_start_time: from.moment }),
    // No filter: then a hole in the numbers always stands for a message that is gone from the stream.
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
}

/** JetStream's error code for a number without a message. */
const NO_MESSAGE = 10037;

/** When the stream took the message `seq`, in nanoseconds since 1970; null when the message is gone. */
export async function takenAtOf(manager: JetStreamManager, stream: string, seq: number): Promise<string | null> {
  try {
    return nanosecondsOf((await manager.streams.getMessage(stream, { seq })).timestamp);
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE) return null;
    throw error;
  }
}

/** The number of the last message that the stream took before a moment (RFC 3339). */
export async function lastSeqBefore(manager: JetStreamManager, stream: string, moment: string): Promise<number> {
  // The answer names where the consumer would begin. Its subject has no subscription, so the server removes it again.
  const { delivered } = await addConsumer(manager, stream, `_INBOX.${randomUUID()}`, { moment });
  return delivered.stream_seq;
}
