/**
 * The subscription to the JetStream stream as a state machine. Pure: {@link advance} takes a state and an input and returns
 * the next state with the effects to carry out, in this order. stream-session.ts connects it to NATS.
 *
 *               attached                 first message, or an empty stream
 *     detached ----------> starting -------------------------------------> following
 *        ^  \                  |                                               |
 *        |   `-----------------|---------------------------------------------> |   attached, plan `resume` or `gap`
 *        `--- detached, end ---'-----------------------------------------------'
 */
import type { Delivery, StreamSnapshot } from './jetstream.ts';
import { hasLostMessages, type ResumePlan, type ResumePoint } from './resume-plan.ts';

/** A message that the stream has and that has not come within this time is not going to come: a new consumer fetches it. */
const STALLED_MS = 1_500;
/** When the leader's doubt exceeds this many intervals between renewals, the session ends, to look for another server. */
const MAX_DOUBT_INTERVALS = 10;

export type SubscriptionState = Readonly<
  /** No session. Inputs are ignored, except for the beginning of a session. */
  | { name: 'detached'; point: ResumePoint }
  /** A session on a stream whose numbering has not begun in this process: no event has been applied, no lease is renewed. */
  | { name: 'starting'; point: ResumePoint; session: Session }
  /** Events are applied in stream order; a lease is renewed once everything that the stream had at a moment is applied. */
  | { name: 'following'; point: ResumePoint; session: Session }
>;

/** What a session knows beyond the resume point. All moments are monotonic, in milliseconds. */
export type Session = Readonly<{
  /** The stream as it was when the session began. */
  opened: StreamSnapshot;
  /** Names the history of the stream for clients, and the numbering for comparison with other processes. */
  history: string;
  epoch: string;
  renewalIntervalMs: number;
  /** How many messages the consumer has delivered. */
  deliveries: number;
  /** The moment of the last delivery, or of the last finding that messages are still to come. */
  progressAt: number;
  /** A lease renewal that waits until the message `seq` is applied; it counts from `at`. */
  pendingRenewal: { readonly seq: number; readonly at: number } | null;
  /** The liveness check under way: when it was asked, and the last applied message at that moment. */
  check: { readonly at: number; readonly point: ResumePoint } | null;
}>;

export type Input =
  | AttachedInput
  /** The consumer exists and has this many messages to deliver. */
  | { readonly kind: 'consumer'; readonly pending: number }
  | MessageInput
  /** A liveness check is about to ask for the state of the stream. */
  | { readonly kind: 'check'; readonly at: number }
  | CheckedInput
  /** The session has ended. */
  | { readonly kind: 'detached' };

/** A session begins on the stream `opened`, whose state was asked for at `askedAt`. */
type AttachedInput = Readonly<{
  kind: 'attached';
  plan: ResumePlan;
  opened: StreamSnapshot;
  /** Names the history; the identity of the stream unless it was rolled back. */
  history: string;
  /** A random name, for a numbering that must not be compared with other processes. */
  privateName: string;
  renewalIntervalMs: number;
  askedAt: number;
  now: number;
}>;

type MessageInput = Readonly<Delivery & { kind: 'message'; subject: string; payload: Uint8Array; now: number }>;

/** The answer to the liveness check. `problem` says why no events come from a stream with these settings. */
type CheckedInput = Readonly<{ kind: 'checked'; stream: StreamSnapshot; problem: string | null; now: number }>;

export type Effect = Readonly<
  | { kind: 'begin'; epoch: string; lowWaterMark: number; takenAt: string | null; history: string }
  | { kind: 'skipTo'; seq: number; takenAt: string | null }
  | { kind: 'apply'; seq: number; takenAt: string; subject: string; payload: Uint8Array }
  | { kind: 'renewLease'; at: number }
  /** How many messages of the stream are still to be applied. */
  | { kind: 'lag'; messages: number }
  /** End the session: messages may have been missed, or the stream is another one. */
  | { kind: 'end'; reason: string }
>;

export interface Transition {
  readonly state: SubscriptionState;
  readonly effects: readonly Effect[];
}

/** The next state, and the effects that lead there. Neither argument is changed. */
export function advance(state: SubscriptionState, input: Input): Transition {
  if (input.kind === 'detached') return { state: { name: 'detached', point: state.point }, effects: [] };
  const draft = input.kind === 'attached' ? newDraft(state.point, input) : draftOf(state);
  if (draft === null) return { state, effects: [] };
  const problem = step(draft, input);
  if (problem !== null) draft.effects.push({ kind: 'end', reason: problem });
  const { numbered, point, effects, ...session } = draft;
  if (problem !== null) return { state: { name: 'detached', point }, effects };
  return { state: { name: numbered ? 'following' : 'starting', point, session }, effects };
}

/** The next state while it is being made. */
interface Draft extends Mutable<Session> {
  /** Whether the numbering of the stream has begun in this process. */
  numbered: boolean;
  point: ResumePoint;
  readonly effects: Effect[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

function newDraft(point: ResumePoint, input: AttachedInput): Draft {
  const { plan, opened, history, privateName, renewalIntervalMs, now } = input;
  // After a rollback JetStream reuses sequence numbers. Redis may have entries of the lost history, and another process may
  // not have noticed the rollback. A private epoch keeps revisions from being compared with either.
  // guard: epoch-of-a-rolled-back-history
  const epoch = plan === 'new stream' ? history : `${history}~${privateName}`;
  return {
    ...{ opened, history, epoch, renewalIntervalMs },
    ...{ deliveries: 0, progressAt: now, pendingRenewal: null, check: null },
    ...{ numbered: plan === 'resume' || plan === 'gap', point, effects: [] },
  };
}

function draftOf(state: SubscriptionState): Draft | null {
  if (state.name === 'detached') return null;
  return { ...state.session, numbered: state.name === 'following', point: state.point, effects: [] };
}

/** @returns Why the session must end, or null. */
function step(draft: Draft, input: Exclude<Input, { kind: 'detached' }>): string | null {
  switch (input.kind) {
    case 'attached':
      return attach(draft, input);
    case 'consumer':
      return consumerAdded(draft, input.pending);
    case 'message':
      return receive(draft, input);
    case 'check':
      draft.check = { at: input.at, point: draft.point };
      return null;
    case 'checked':
      return checked(draft, input);
  }
}

function attach(draft: Draft, { plan, opened, askedAt }: AttachedInput): string | null {
  const problem = expectRenewal(draft, opened, askedAt);
  if (problem !== null) return problem;
  // guard: gap-where-the-last-message-is-gone
  if (plan === 'gap') skipTo(draft, opened.lastSeq, opened);
  else skipMissingMessages(draft, opened);
  return null;
}

/**
 * Without a message to deliver, the end of the stream is the low-water mark, and messages up to it are gone. A message that
 * was published after the session began is pending here or comes later, above this mark.
 */
function consumerAdded(draft: Draft, pending: number): null {
  const { opened, deliveries } = draft;
  if (pending === 0 && deliveries === 0) {
    if (!draft.numbered) begin(draft, opened.lastSeq, opened.lastTakenAt);
    else if (opened.lastSeq > draft.point.applied) skipTo(draft, opened.lastSeq, opened);
  }
  renewLeaseIfApplied(draft);
  return null;
}

function receive(draft: Draft, message: MessageInput): string | null {
  const { streamSeq: seq, consumerSeq, takenAt, subject, payload, now } = message;
  draft.deliveries += 1;
  draft.progressAt = now;
  // An optimisation: a new consumer fetches the lost messages, where a gap in the numbers would empty the caches.
  // guard: consumer-sequence-without-holes
  if (consumerSeq !== draft.deliveries) return 'messages were lost on the way';
  if (!draft.numbered) begin(draft, seq - 1, null);
  if (seq <= draft.point.applied) return null;
  // The messages in between were purged or have expired; their changes are not known.
  // guard: gap-between-two-messages
  if (seq > draft.point.applied + 1) draft.effects.push({ kind: 'skipTo', seq: seq - 1, takenAt: null });
  draft.effects.push({ kind: 'apply', seq, takenAt, subject, payload });
  moveTo(draft, seq, takenAt);
  renewLeaseIfApplied(draft);
  return null;
}

function checked(draft: Draft, { stream, problem, now }: CheckedInput): string | null {
  const { check } = draft;
  if (check === null) return null;
  draft.check = null;
  // guard: same-stream-while-connected
  if (stream.identity !== draft.opened.identity) return 'the stream was created again';
  if (problem !== null) return problem;
  // The stream may be on another server than this connection. No connection ends when that server starts again. The check
  // compares with the message that was applied when it was asked: a later message may overtake its answer.
  // guard: same-history-while-connected
  if (draft.numbered && hasLostMessages(check.point, stream)) return 'the stream went back';
  skipMissingMessages(draft, stream);
  renewLeaseIfApplied(draft);
  const lag = draft.numbered ? Math.max(0, stream.lastSeq - draft.point.applied) : stream.messages;
  draft.effects.push({ kind: 'lag', messages: lag });
  if (draft.pendingRenewal === null) {
    const doubt = expectRenewal(draft, stream, check.at);
    if (doubt !== null) return doubt;
    renewLeaseIfApplied(draft);
    if (draft.pendingRenewal !== null) draft.progressAt = now;
  } else if (now - draft.progressAt > STALLED_MS) {
    // guard: consumer-that-stopped-delivering
    return 'the consumer stopped delivering';
  }
  return null;
}

/** The lease may be renewed from the moment of the question, less the leader's doubt, once all that it had is applied. */
function expectRenewal(draft: Draft, { lastSeq, leaderDoubtMs }: StreamSnapshot, askedAt: number): string | null {
  if (leaderDoubtMs > MAX_DOUBT_INTERVALS * draft.renewalIntervalMs) {
    return 'most servers of the stream do not answer its leader, which may have been replaced';
  }
  draft.pendingRenewal = { seq: lastSeq, at: askedAt - leaderDoubtMs };
  return null;
}

function renewLeaseIfApplied(draft: Draft): void {
  const pending = draft.pendingRenewal;
  if (
    draft.numbered &&
    pending !== null &&
    // guard: lease-needs-applied-messages
    draft.point.applied >= pending.seq
  ) {
    draft.effects.push({ kind: 'renewLease', at: pending.at });
    draft.pendingRenewal = null;
  }
}

function begin(draft: Draft, lowWaterMark: number, takenAt: string | null): void {
  const { epoch, history, opened } = draft;
  draft.numbered = true;
  draft.point = { stream: opened.identity, history, applied: lowWaterMark, takenAt };
  draft.effects.push({
    ...{ kind: 'begin', epoch, takenAt, history },
    // guard: low-water-mark-at-the-start
    lowWaterMark,
  });
}

/** Messages that are gone from the stream cannot come any more, and their changes are not known. */
function skipMissingMessages(draft: Draft, stream: StreamSnapshot): void {
  if (!draft.numbered) return;
  // guard: look-for-messages-that-are-gone
  if (stream.firstSeq > draft.point.applied + 1) {
    // guard: low-water-mark-at-messages-that-are-gone
    skipTo(draft, stream.firstSeq - 1, stream);
  }
}

function skipTo(draft: Draft, seq: number, stream: StreamSnapshot): void {
  const takenAt = seq === stream.lastSeq ? stream.lastTakenAt : null;
  moveTo(draft, seq, takenAt);
  draft.effects.push({ kind: 'skipTo', seq, takenAt });
}

function moveTo(draft: Draft, applied: number, takenAt: string | null): void {
  draft.point = { ...draft.point, applied, takenAt };
}
