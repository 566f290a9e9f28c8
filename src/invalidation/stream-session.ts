/**
 * One session of the subscription to the JetStream stream: an ephemeral push consumer without acknowledgements, and a
 * liveness check four times a lease. The decisions are those of stream-subscription.ts; this file talks to NATS. It stands in
 * place of the library's ordered consumer, which restarts by itself and does not say which messages it may have missed.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { checkStream, openStream, serverDomain } from '@assent/event-contract';
import type { JetStreamManager, Msg, NatsConnection, StreamInfo } from 'nats';
import { withTimeout } from '../with-timeout.ts';
import { natsTimeout, REQUEST_TIMEOUT_MS, type SessionOptions } from './apply-event.ts';
import { addConsumer, lastSeqBefore, parseDelivery, type StreamSnapshot, snapshotOf, takenAtOf } from './jetstream.ts';
import { historyAfter, NO_RESUME_POINT, planResume, type ResumePlan, type ResumePoint } from './resume-plan.ts';
import { advance, type Effect, type Input, type SubscriptionState } from './stream-subscription.ts';

/** The state of a process's subscription, which outlives its sessions. */
export interface StreamSubscription {
  readonly point: ResumePoint;
  /** Advances the state; the effects are to be carried out at once, in order. */
  advance(input: Input): readonly Effect[];
}

/** Creates the subscription of a process that has applied nothing. */
export function createStreamSubscription(): StreamSubscription {
  let state: SubscriptionState = { name: 'detached', point: NO_RESUME_POINT };
  return {
    get point() {
      return state.point;
    },
    advance: (input) => {
      const next = advance(state, input);
      state = next.state;
      return next.effects;
    },
  };
}

/**
 * Follows the stream until the session ends.
 * @throws The reason: messages may have been missed, the connection ended, or NATS did not answer.
 */
export async function followStream(options: SessionOptions, subscription: StreamSubscription): Promise<never> {
  const { connection, sink, observer, apply, clock, stream, prefix, domain, windowMs, renewalIntervalMs } = options;
  const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  try {
    const manager = await connection.jetstreamManager({
      ...{ timeout: timeoutMs, checkAPI: false },
      ...(domain === null ? {} : { domain }),
    });
    const askedAt = clock.monotonic();
    const localDomain = serverDomain(connection);
    const opening = openStream(manager, { stream, prefix, domain, localDomain, maxAgeMs: 2 * windowMs });
    const info = await withTimeout(2 * timeoutMs, opening, natsTimeout, signal);
    const opened = snapshotOf(info);
    const { plan, history } = await planSession(manager, opened);
    dispatch({
      ...{ kind: 'attached', plan, opened, history, privateName: randomUUID() },
      ...{ renewalIntervalMs, askedAt, now: clock.monotonic() },
    });
    signal.throwIfAborted();
    const pending = await deliverMessages(manager, plan, info);
    dispatch({ kind: 'consumer', pending });
    observer.state('live', `JetStream: stream ${stream} (${plan})`);

    for (;;) {
      await delay(renewalIntervalMs, undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
      const at = clock.monotonic();
      dispatch({ kind: 'check', at });
      // guard: lease-needs-an-answer-of-the-stream
      const answer = await inTime(manager.streams.info(stream));
      dispatch({
        ...{ kind: 'checked', stream: snapshotOf(answer) },
        ...{ problem: problemOf(answer), now: clock.monotonic() },
      });
      signal.throwIfAborted();
    }
  } finally {
    subscription.advance({ kind: 'detached' });
  }

  function inTime<T>(request: Promise<T>): Promise<T> {
    return withTimeout(timeoutMs, request, natsTimeout, signal);
  }

  function dispatch(input: Input): void {
    for (const effect of subscription.advance(input)) carryOut(effect);
  }

  function carryOut(effect: Effect): void {
    if (effect.kind === 'begin') sink.begin(effect.epoch, effect.lowWaterMark, effect.takenAt, effect.history);
    else if (effect.kind === 'skipTo') sink.skipTo(effect.seq, effect.takenAt);
    else if (effect.kind === 'apply') apply(effect.seq, effect.subject, effect.payload, effect.takenAt);
    else if (effect.kind === 'renewLease') sink.renewLease(effect.at);
    else if (effect.kind === 'lag') observer.lag(effect.messages);
    else failed.abort(new Error(effect.reason));
  }

  async function planSession(
    manager: JetStreamManager,
    opened: StreamSnapshot,
  ): Promise<{ readonly plan: ResumePlan; readonly history: string }> {
    const { point } = subscription;
    const plan = await inTime(planResume(point, opened, (seq) => takenAtOf(manager, stream, seq)));
    if (plan !== 'rolled back') return { plan, history: opened.identity };
    const history = await inTime(historyAfter(point, opened, (moment) => lastSeqBefore(manager, stream, moment)));
    return { plan, history };
  }

  /** Adds the consumer; the number of messages that it has to deliver. */
  async function deliverMessages(manager: JetStreamManager, plan: ResumePlan, info: StreamInfo): Promise<number> {
    const deliverTo = `_INBOX.${randomUUID()}`;
    connection.subscribe(deliverTo, {
      callback: (error, message) => {
        if (error === null && !signal.aborted) receive(message);
      },
    });
    const serverNow = info.ts === undefined ? Date.now() : Date.parse(info.ts);
    const resumes = plan === 'resume' || plan === 'gap';
    const from = resumes
      ? { seq: subscription.point.applied + 1 }
      : { moment: new Date(serverNow - windowMs).toISOString() };
    return (await inTime(addConsumer(manager, stream, deliverTo, from))).num_pending;
  }

  function receive(message: Msg): void {
    const delivery = parseDelivery(message.reply);
    if (delivery === null) {
      answerControlMessage(connection, message);
      return;
    }
    dispatch({
      ...{ kind: 'message', ...delivery },
      ...{ subject: message.subject, payload: message.data, now: clock.monotonic() },
    });
  }

  function problemOf(answer: StreamInfo): string | null {
    try {
      checkStream(answer, prefix);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

/** A flow control request asks for an answer; a heartbeat of a stalled consumer names where to send one. */
function answerControlMessage(connection: NatsConnection, message: Msg): void {
  const stalled = message.headers?.get('Nats-Consumer-Stalled') ?? '';
  if (message.reply !== undefined && message.reply !== '') message.respond();
  else if (stalled !== '') connection.publish(stalled);
}
