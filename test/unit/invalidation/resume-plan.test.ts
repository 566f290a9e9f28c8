/** How a session goes on after the one before it. */
import { describe, expect, it } from 'vitest';
import type { StreamSnapshot } from '../../../src/invalidation/jetstream.ts';
import {
  hasLostMessages,
  historyAfter,
  NO_RESUME_POINT,
  planResume,
  type ResumePlan,
  type ResumePoint,
} from '../../../src/invalidation/resume-plan.ts';

const streamWith = (changes: Partial<StreamSnapshot> = {}): StreamSnapshot => ({
  ...{ identity: 'js:S:1', firstSeq: 1, lastSeq: 7, lastTakenAt: '1000000007', messages: 7, leaderDoubtMs: 0 },
  ...changes,
});
const point: ResumePoint = { stream: 'js:S:1', history: 'js:S:1', applied: 5, takenAt: '1000000005' };
const never = async (): Promise<never> => {
  throw new Error('the stream was asked');
};

describe('the plan of a session', () => {
  it.each<[ResumePlan, string, ResumePoint, StreamSnapshot]>([
    ['new stream', 'before the first session', NO_RESUME_POINT, streamWith()],
    ['new stream', 'on a stream that was created again', point, streamWith({ identity: 'js:S:2' })],
    ['rolled back', 'on a stream with fewer messages', point, streamWith({ lastSeq: 4 })],
    ['resume', 'on an unchanged stream', point, streamWith({ lastSeq: 5, lastTakenAt: '1000000005' })],
    ['rolled back', 'on a stream with another last message', point, streamWith({ lastSeq: 5, lastTakenAt: '9' })],
    ['rolled back', 'without the moment to compare', { ...point, takenAt: null }, streamWith({ lastSeq: 5 })],
    ['resume', 'after a session on an empty stream', { ...point, applied: 0, takenAt: null }, streamWith()],
  ])('the plan of a session is "%s" %s, without a lookup', async (plan, _, from, stream) => {
    expect(await planResume(from, stream, never)).toBe(plan);
  });

  it.each<[ResumePlan, string, ResumePoint, string | null]>([
    ['resume', 'the same moment', point, '1000000005'],
    ['rolled back', 'another moment', point, '1000000006'],
    ['gap', 'no message', point, null],
    ['gap', 'a message whose earlier moment is not known', { ...point, takenAt: null }, '1000000005'],
  ])(
    'the plan of a session is "%s" when the stream has later messages and a lookup finds %s',
    async (plan, _, from, found) => {
      const asked: number[] = [];
      const takenAtOf = async (seq: number) => {
        asked.push(seq);
        return found;
      };
      expect(await planResume(from, streamWith(), takenAtOf)).toBe(plan);
      expect(asked).toEqual([5]);
    },
  );
});

it.each([
  [true, 'fewer messages', streamWith({ lastSeq: 4 }), point],
  [true, 'as many messages and another last one', streamWith({ lastSeq: 5, lastTakenAt: '9' }), point],
  [false, 'the same last message', streamWith({ lastSeq: 5, lastTakenAt: '1000000005' }), point],
  [false, 'as many messages, and no moment to compare', streamWith({ lastSeq: 5 }), { ...point, takenAt: null }],
  [false, 'later messages', streamWith(), point],
])('whether applied messages are lost is %s for a stream with %s', (lost, _, stream, from) => {
  expect(hasLostMessages(from, stream)).toBe(lost);
});

describe('the history after a rollback', () => {
  it('the history after a rollback is named by the last message of the stream, when no newer message came', async () => {
    const name = await historyAfter(point, streamWith({ lastSeq: 3, lastTakenAt: '1000000003' }), never);
    expect(name).toMatch(/^js:S:1~3\.[\w-]{8}$/);
  });

  it('the history after a rollback is named by the last message from before the rollback, when newer messages came', async () => {
    const asked: string[] = [];
    const lastSeqBefore = async (moment: string) => {
      asked.push(moment);
      return 3;
    };
    const name = await historyAfter(point, streamWith(), lastSeqBefore);
    expect(name).toBe(await historyAfter(point, streamWith({ lastSeq: 3, lastTakenAt: '1000000003' }), never));
    expect(asked).toEqual(['1970-01-01T00:00:01.000000006Z']);
  });

  it('the history after a rollback has another name after a second rollback to the same message', async () => {
    const stream = streamWith({ lastSeq: 3, lastTakenAt: '1000000003' });
    const history = await historyAfter(point, stream, never);
    expect(await historyAfter({ ...point, history }, stream, never)).not.toBe(history);
  });
});
