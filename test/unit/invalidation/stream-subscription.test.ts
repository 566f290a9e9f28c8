/** The state machine of the stream subscription, input by input. */
import { describe, expect, it } from 'vitest';
import type { StreamSnapshot } from '../../../src/invalidation/jetstream.ts';
import { NO_RESUME_POINT, type ResumePlan, type ResumePoint } from '../../../src/invalidation/resume-plan.ts';
import {
  advance,
  type Effect,
  type Input,
  type SubscriptionState,
} from '../../../src/invalidation/stream-subscription.ts';

const payload = new Uint8Array();
const RENEWAL_INTERVAL_MS = 500;

const streamWith = (changes: Partial<StreamSnapshot> = {}): StreamSnapshot => ({
  ...{ identity: 'js:S:1', firstSeq: 1, lastSeq: 0, lastTakenAt: null, messages: 0, leaderDoubtMs: 0 },
  ...changes,
});
const pointAt = (applied: number): ResumePoint => ({
  ...{ stream: 'js:S:1', history: 'js:S:1', applied, takenAt: `t${applied}` },
});
const detachedAt = (point: ResumePoint): SubscriptionState => ({ name: 'detached', point });
const attached = (plan: ResumePlan, opened: StreamSnapshot, history = opened.identity): Input => ({
  ...{ kind: 'attached', plan, opened, history, privateName: 'private' },
  ...{ renewalIntervalMs: RENEWAL_INTERVAL_MS, askedAt: 1_000, now: 1_010 },
});
const consumer = (pending: number): Input => ({ kind: 'consumer', pending });
const message = (streamSeq: number, consumerSeq: number, now = 1_100): Input => ({
  ...{ kind: 'message', streamSeq, consumerSeq, takenAt: `t${streamSeq}` },
  ...{ subject: 'p.user.updated', payload, now },
});
const check = (at: number): Input => ({ kind: 'check', at });
const checked = (stream: StreamSnapshot, now: number, problem: string | null = null): Input => ({
  ...{ kind: 'checked', stream, problem, now },
});

/** The state and all effects after several inputs. */
const run = (state: SubscriptionState, ...inputs: readonly Input[]) => {
  const effects: Effect[] = [];
  for (const input of inputs) {
    const next = advance(state, input);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects };
};
const apply = (seq: number): Effect => ({
  ...{ kind: 'apply', seq, takenAt: `t${seq}`, subject: 'p.user.updated', payload },
});
const FIRST_BEGIN = { kind: 'begin', epoch: 'js:S:1', history: 'js:S:1' } as const;

describe('a detached subscription', () => {
  it('a detached subscription ignores messages, answers and reports of a consumer', () => {
    const detached = detachedAt(pointAt(5));
    const stream = streamWith({ lastSeq: 9 });
    const { state, effects } = run(detached, message(6, 1), consumer(0), check(1), checked(stream, 2));
    expect(state).toEqual(detached);
    expect(effects).toEqual([]);
  });

  it('a detached subscription keeps its resume point when a session ends', () => {
    const { state } = run(detachedAt(pointAt(5)), attached('resume', streamWith({ lastSeq: 7 })), message(6, 1), {
      kind: 'detached',
    });
    expect(state).toEqual({ name: 'detached', point: pointAt(6) });
  });

  it('a detached subscription keeps its resume point when a session ends before its numbering begins', () => {
    const { state, effects } = run(
      detachedAt(pointAt(5)),
      attached('new stream', streamWith({ identity: 'js:S:2', lastSeq: 3 })),
      { kind: 'detached' },
    );
    expect(state).toEqual({ name: 'detached', point: pointAt(5) });
    expect(effects).toEqual([]);
  });
});

describe('a starting subscription', () => {
  it('a starting subscription begins at the end of an empty stream, and renews the lease from the moment of the check', () => {
    const { state, effects } = run(detachedAt(NO_RESUME_POINT), attached('new stream', streamWith()), consumer(0));
    expect(state).toMatchObject({ name: 'following', point: { stream: 'js:S:1', applied: 0 } });
    expect(effects).toEqual([
      { ...FIRST_BEGIN, lowWaterMark: 0, takenAt: null },
      { kind: 'renewLease', at: 1_000 },
    ]);
  });

  it('a starting subscription begins below its first message, and renews the lease once the last message is applied', () => {
    const opened = streamWith({ firstSeq: 3, lastSeq: 8, lastTakenAt: 't8' });
    const started = run(detachedAt(NO_RESUME_POINT), attached('new stream', opened), consumer(2));
    expect(started).toMatchObject({ state: { name: 'starting' }, effects: [] });
    const { state, effects } = run(started.state, message(7, 1), message(8, 2));
    expect(state).toMatchObject({ name: 'following', point: { applied: 8, takenAt: 't8' } });
    expect(effects).toEqual([
      { ...FIRST_BEGIN, lowWaterMark: 6, takenAt: null },
      apply(7),
      apply(8),
      { kind: 'renewLease', at: 1_000 },
    ]);
  });

  it('a starting subscription uses a private epoch after a rollback, and names the history to clients', () => {
    const opened = streamWith({ lastSeq: 4, lastTakenAt: 'u4' });
    const { effects } = run(detachedAt(pointAt(9)), attached('rolled back', opened, 'js:S:1~4.hash'), consumer(0));
    expect(effects[0]).toEqual({
      ...{ kind: 'begin', epoch: 'js:S:1~4.hash~private', lowWaterMark: 4, takenAt: 'u4', history: 'js:S:1~4.hash' },
    });
  });

  it('a starting subscription reports all messages of the stream as its lag', () => {
    const opened = streamWith({ lastSeq: 8, messages: 6 });
    const { effects } = run(
      detachedAt(NO_RESUME_POINT),
      attached('new stream', opened),
      check(2_000),
      checked(opened, 2_001),
    );
    expect(effects).toEqual([{ kind: 'lag', messages: 6 }]);
  });
});

describe('a subscription that resumes', () => {
  it('a subscription that resumes applies the next message without a new numbering', () => {
    const opened = streamWith({ lastSeq: 6 });
    const { state, effects } = run(detachedAt(pointAt(5)), attached('resume', opened), consumer(1), message(6, 1));
    expect(state.point).toEqual(pointAt(6));
    expect(effects).toEqual([apply(6), { kind: 'renewLease', at: 1_000 }]);
  });

  it('a subscription that resumes skips to the end of the stream where the last applied message is gone', () => {
    const opened = streamWith({ firstSeq: 6, lastSeq: 8, lastTakenAt: 't8' });
    const { state, effects } = run(detachedAt(pointAt(5)), attached('gap', opened), consumer(0));
    expect(state.point).toEqual(pointAt(8));
    expect(effects).toEqual([
      { kind: 'skipTo', seq: 8, takenAt: 't8' },
      { kind: 'renewLease', at: 1_000 },
    ]);
  });

  it('a subscription that resumes skips messages that are gone from the beginning of the stream', () => {
    const opened = streamWith({ firstSeq: 8, lastSeq: 9 });
    const { effects } = run(detachedAt(pointAt(5)), attached('resume', opened));
    expect(effects).toEqual([{ kind: 'skipTo', seq: 7, takenAt: null }]);
  });

  it('a subscription that resumes skips messages that the stream counted and the consumer does not have', () => {
    const opened = streamWith({ firstSeq: 1, lastSeq: 7, lastTakenAt: 't7' });
    const { effects } = run(detachedAt(pointAt(5)), attached('resume', opened), consumer(0));
    expect(effects).toEqual([
      { kind: 'skipTo', seq: 7, takenAt: 't7' },
      { kind: 'renewLease', at: 1_000 },
    ]);
  });
});

describe('a subscription that follows', () => {
  const following = run(detachedAt(pointAt(5)), attached('resume', streamWith({ lastSeq: 5 })), consumer(0)).state;

  it('a subscription that follows skips the messages that are missing between two messages, before the second one is applied', () => {
    const { effects } = run(following, message(9, 1));
    expect(effects).toEqual([{ kind: 'skipTo', seq: 8, takenAt: null }, apply(9)]);
  });

  it('a subscription that follows drops a message that it has skipped as gone', () => {
    const { state, effects } = run(
      following,
      check(2_000),
      checked(streamWith({ firstSeq: 8, lastSeq: 7 }), 2_001),
      message(6, 1),
    );
    expect(effects).not.toContainEqual(apply(6));
    expect(state.point.applied).toBe(7);
  });

  it('a subscription that follows ends when the consumer has delivered messages that did not arrive', () => {
    const { state, effects } = run(following, message(7, 2));
    expect(state).toEqual(detachedAt(pointAt(5)));
    expect(effects).toEqual([{ kind: 'end', reason: 'messages were lost on the way' }]);
  });

  it('a subscription that follows renews the lease at once when the check finds nothing new', () => {
    const { effects } = run(following, check(2_000), checked(streamWith({ lastSeq: 5, lastTakenAt: 't5' }), 2_003));
    expect(effects).toEqual([
      { kind: 'lag', messages: 0 },
      { kind: 'renewLease', at: 2_000 },
    ]);
  });

  it('a subscription that follows renews the lease from the moment of the check, once the messages of its answer are applied', () => {
    const answer = streamWith({ lastSeq: 7 });
    const waiting = run(following, check(2_000), checked(answer, 2_003), message(6, 1));
    expect(waiting.effects).toEqual([{ kind: 'lag', messages: 2 }, apply(6)]);
    expect(run(waiting.state, message(7, 2)).effects).toEqual([apply(7), { kind: 'renewLease', at: 2_000 }]);
  });

  it('a subscription that follows shortens the lease by the doubt about the leader', () => {
    const answer = streamWith({ lastSeq: 5, lastTakenAt: 't5', leaderDoubtMs: 700 });
    const { effects } = run(following, check(2_000), checked(answer, 2_003));
    expect(effects).toContainEqual({ kind: 'renewLease', at: 1_300 });
  });

  it('a subscription that follows compares the history with the message that was applied when the check was sent', () => {
    const answer = streamWith({ lastSeq: 5, lastTakenAt: 't5' });
    const { effects } = run(following, check(2_000), message(6, 1), checked(answer, 2_003));
    expect(effects).toEqual([apply(6), { kind: 'lag', messages: 0 }, { kind: 'renewLease', at: 2_000 }]);
  });

  it('a subscription that follows waits for messages that a check found, as long as messages arrive', () => {
    const answer = streamWith({ lastSeq: 9 });
    const { effects } = run(
      following,
      check(2_000),
      checked(answer, 2_003),
      message(6, 1, 3_400),
      check(4_500),
      checked(answer, 4_600),
    );
    expect(effects.map(({ kind }) => kind)).toEqual(['lag', 'apply', 'lag']);
  });

  it.each<[string, StreamSnapshot, string | null]>([
    ['the stream was created again', streamWith({ identity: 'js:S:2' }), null],
    ['the stream went back', streamWith({ lastSeq: 4 }), null],
    ['the stream went back', streamWith({ lastSeq: 5, lastTakenAt: 'another moment' }), null],
    ['the stream S is a mirror', streamWith({ lastSeq: 5, lastTakenAt: 't5' }), 'the stream S is a mirror'],
  ])('a subscription that follows ends with the reason "%s" when a check finds %o', (reason, answer, problem) => {
    const { state, effects } = run(following, check(2_000), checked(answer, 2_003, problem));
    expect(state).toEqual(detachedAt(pointAt(5)));
    expect(effects).toEqual([{ kind: 'end', reason }]);
  });

  it('a subscription that follows ends when the leader may have been replaced ten intervals ago', () => {
    const answer = streamWith({ lastSeq: 5, lastTakenAt: 't5', leaderDoubtMs: 10 * RENEWAL_INTERVAL_MS + 1 });
    const { effects } = run(following, check(2_000), checked(answer, 2_003));
    expect(effects.at(-1)).toMatchObject({ kind: 'end', reason: expect.stringContaining('may have been replaced') });
  });

  it('a subscription that follows ends when no message of a check has arrived for 1.5 seconds', () => {
    const answer = streamWith({ lastSeq: 9 });
    const { effects } = run(
      following,
      check(2_000),
      checked(answer, 2_003),
      check(3_000),
      checked(answer, 3_503),
      check(3_600),
      checked(answer, 3_604),
    );
    expect(effects).toEqual([
      { kind: 'lag', messages: 4 },
      { kind: 'lag', messages: 4 },
      { kind: 'lag', messages: 4 },
      { kind: 'end', reason: 'the consumer stopped delivering' },
    ]);
  });
});
