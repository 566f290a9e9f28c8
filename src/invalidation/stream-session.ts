/**
 * Listening to the JetStream stream: an ephemeral push consumer without acknowledgements, whose every message is applied
 * in stream order, and a proof of hearing four times a lease. Own code in place of the library's ordered consumer, which
 * restarts by itself and does not say what it may have missed.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { checkStream, openStream, serverDomain } from '@assent/event-contract';
import type { Msg, StreamInfo } from 'nats';
import { withTimeout } from '../with-timeout.ts';
import { parseDelivery } from './delivery.ts';
import { natsTimeout, type SessionOptions } from './session.ts';
import { leaderDoubtMs } from './stream.ts';
import { addConsumer } from './stream-consumer.ts';
import { historyAfter, identity, lastTakenAt, planSession, type StreamPosition, wentBack } from './stream-position.ts';

const REQUEST_TIMEOUT_MS = 1_000;
/** A message that the stream has and that has not come by then is not going to: the consumer is listened to anew. */
const STALLED_MS = 1_500;
/** How many proofs in a row may be of no use before the session ends, so that the next one looks for another server. */
const USELESS_PROOFS = 10;

/** Listens until something may have been missed or the connection ends; then throws. */
export const listenToStream = async (options: SessionOptions, position: StreamPosition): Promise<never> => {
  const { connection, sink, observer, apply, clock, signal, stream, prefix, domain, windowMs, proofIntervalMs } =
    options;
  const manager = await connection.jetstreamManager({
    ...{ timeout: REQUEST_TIMEOUT_MS, checkAPI: false },
    ...(domain === null ? {} : { domain }),
  });
  const failed = new AbortController();
  const anySignal = AbortSignal.any([signal, failed.signal]);

  const asked = clock.monotonic();
  const localDomain = serverDomain(connection);
  const opened = openStream(manager, { stream, prefix, domain, localDomain, maxAgeMs: 2 * windowMs });
  const info = await withTimeout(2 * REQUEST_TIMEOUT_MS, opened, natsTimeout, anySignal);
  const plan = await withTimeout(REQUEST_TIMEOUT_MS, planSession(manager, position, info), natsTimeout, anySignal);
  // Numbers of a history that was rolled back are used again: those of before mean nothing any more.
  const history =
    plan === 'rolled back'
      ? await withTimeout(REQUEST_TIMEOUT_MS, historyAfter(manager, position, info), natsTimeout, anySignal)
      : identity(info);
  /** Up to which moment an answer proves what the stream had. */
  const provedUntil = (askedAt: number, answer: StreamInfo): number => {
    const doubtMs = leaderDoubtMs(answer);
    if (doubtMs > USELESS_PROOFS * proofIntervalMs) {
      throw new Error('most servers of the stream do not answer its leader, which may have been replaced');
    }
    return askedAt - doubtMs;
  };
  /** What the stream had at a moment, waiting to have been applied. */
  let awaited: { readonly seq: number; readonly at: number } | null = {
    seq: info.state.last_seq,
    at: provedUntil(asked, info),
  };
  let progressAt = clock.monotonic();
  let deliveries = 0;
  /** Whether the sink counts by this stream's numbers. */
  let begun = plan === 'resume' || plan === 'gap';

  const moveTo = (seq: number, takenAt: string | null): void => {
    position.applied = seq;
    position.takenAt = takenAt;
  };
  /** The position changes together with the sink: a session that ends before this must not leave half of it behind. */
  const begin = (floor: number, takenAt: string | null): void => {
    begun = true;
    position.stream = identity(info);
    position.history = history;
    moveTo(floor, takenAt);
    // Redis may have entries of the lost history, and another process may have noticed nothing: what is read now is compared
    // with nobody else's.
    // guard: epoch-of-a-rolled-back-history
    const epoch = plan === 'anew' ? history : `${history}~${randomUUID()}`;
    sink.begin(
      epoch,
      // guard: low-water-mark-at-the-start
      floor,
      takenAt,
      history,
    );
  };
  const skipTo = (seq: number, now: StreamInfo): void => {
    moveTo(seq, seq === now.state.last_seq ? lastTakenAt(now) : null);
    sink.skipTo(seq, position.takenAt);
  };
  const prove = (): void => {
    if (
      begun &&
      awaited !== null &&
      // guard: lease-needs-applied-messages
      position.applied >= awaited.seq
    ) {
      sink.renewLease(awaited.at);
      awaited = null;
    }
  };
  /** Messages that are gone from the stream cannot come any more; what they said is not known. */
  const skipWhatIsGone = (now: StreamInfo): void => {
    if (!begun) return;
    // guard: look-for-messages-that-are-gone
    if (now.state.first_seq > position.applied + 1) {
      // guard: low-water-mark-at-messages-that-are-gone
      skipTo(now.state.first_seq - 1, now);
    }
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
    // An optimisation: what was lost on the way is fetched again, where the gap in the stream's numbers would empty caches.
    // guard: consumer-sequence-without-holes
    if (delivery.consumerSeq !== deliveries) {
      failed.abort(new Error('messages were lost on the way'));
      return;
    }
    const { streamSeq, takenAt } = delivery;
    if (!begun) begin(streamSeq - 1, null);
    if (streamSeq <= position.applied) return;
    // Messages that were purged or expired before they came: what they said is not known.
    // guard: gap-between-two-messages
    if (streamSeq > position.applied + 1) sink.skipTo(streamSeq - 1, null);
    apply(streamSeq, message.subject, message.data, takenAt);
    moveTo(streamSeq, takenAt);
    prove();
  };

  // guard: gap-where-the-last-message-is-gone
  if (plan === 'gap') skipTo(info.state.last_seq, info);
  else skipWhatIsGone(info);

  const deliverTo = `_INBOX.${randomUUID()}`;
  connection.subscribe(deliverTo, {
    callback: (error, message) => {
      if (error === null && !anySignal.aborted) onMessage(message);
    },
  });
  const serverNow = info.ts === undefined ? Date.now() : Date.parse(info.ts);
  const from = begun ? { seq: position.applied + 1 } : { moment: new Date(serverNow - windowMs).toISOString() };
  const consumer = await withTimeout(
    REQUEST_TIMEOUT_MS,
    addConsumer(manager, stream, deliverTo, from),
    natsTimeout,
    anySignal,
  );
  // With nothing to come there is no message to take the floor from, or to show that those up to the last number are gone.
  // What was published since `info` is either counted as pending here or comes later, above this floor.
  if (consumer.num_pending === 0 && deliveries === 0) {
    if (!begun) begin(info.state.last_seq, lastTakenAt(info));
    else if (info.state.last_seq > position.applied) skipTo(info.state.last_seq, info);
  }
  prove();
  observer.state('live', `JetStream: stream ${stream} (${plan})`);

  for (;;) {
    await delay(proofIntervalMs, undefined, { signal: anySignal }).catch(() => {});
    anySignal.throwIfAborted();
    const at = clock.monotonic();
    // A message that the stream took after it was asked may come before its answer.
    const before = { ...position };
    // guard: lease-needs-an-answer-of-the-stream
    const now = await withTimeout(REQUEST_TIMEOUT_MS, manager.streams.info(stream), natsTimeout, anySignal);
    // guard: same-stream-while-connected
    if (identity(now) !== identity(info)) throw new Error('the stream was created anew');
    checkStream(now, prefix);
    // Its server may be another one than this connection leads to, which tells nobody that it began anew.
    // guard: same-history-while-connected
    if (begun && wentBack(before, now)) throw new Error('the stream went back');
    skipWhatIsGone(now);
    prove();
    observer.lag(begun ? Math.max(0, now.state.last_seq - position.applied) : now.state.messages);
    if (awaited === null) {
      awaited = { seq: now.state.last_seq, at: provedUntil(at, now) };
      prove();
      if (awaited !== null) progressAt = clock.monotonic();
    } else if (clock.monotonic() - progressAt > STALLED_MS) {
      // guard: consumer-that-stopped-delivering
      throw new Error('the consumer stopped delivering');
    }
  }
};
