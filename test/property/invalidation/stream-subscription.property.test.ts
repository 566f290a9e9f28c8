/** What holds for the stream subscription whatever NATS delivers, in whatever order. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { StreamSnapshot } from '../../../src/invalidation/jetstream.ts';
import { NO_RESUME_POINT } from '../../../src/invalidation/resume-plan.ts';
import {
  advance,
  type Effect,
  type Input,
  type SubscriptionState,
  type Transition,
} from '../../../src/invalidation/stream-subscription.ts';

const runs = Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 2_000);
const seq = fc.nat(12);
const payload = new Uint8Array();
const moment = (number: number): string => `t${number}`;

/** Snapshots are of one stream, of which messages may be gone; seldom of another one, or rolled back. */
const snapshot: fc.Arbitrary<StreamSnapshot> = fc
  .record({
    other: fc.integer({ min: 0, max: 9 }),
    first: seq,
    last: seq,
    doubt: fc.constantFrom(0, 0, 0, 30, 90_000),
  })
  .map(({ other, first, last, doubt }) => ({
    identity: other === 0 ? 'js:S:2' : 'js:S:1',
    firstSeq: first,
    lastSeq: last,
    lastTakenAt: other === 1 ? 'rewritten' : moment(last),
    messages: Math.max(0, last - first + 1),
    leaderDoubtMs: doubt,
  }));

const attached = fc
  .record({ plan: fc.constantFrom('resume', 'gap', 'rolled back', 'new stream'), opened: snapshot, askedAt: seq })
  .map(({ plan, opened, askedAt }): Input => {
    return {
      ...{ kind: 'attached', plan, opened, history: `${opened.identity}~h`, privateName: 'private' },
      ...{ renewalIntervalMs: 500, askedAt, now: askedAt },
    } as Input;
  });
const input: fc.Arbitrary<Input> = fc.oneof(
  { weight: 2, arbitrary: attached },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('consumer' as const), pending: fc.nat(2) }) },
  {
    weight: 12,
    arbitrary: fc.record({ streamSeq: seq, consumerSeq: fc.integer({ min: 0, max: 12 }), now: seq }).map(
      ({ streamSeq, consumerSeq, now }): Input => ({
        ...{ kind: 'message', streamSeq, consumerSeq, takenAt: moment(streamSeq) },
        ...{ subject: 's', payload, now },
      }),
    ),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('check' as const), at: seq }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('checked' as const),
      stream: snapshot,
      problem: fc.constantFrom(null, null, null, 'a problem'),
      now: fc.integer({ min: 0, max: 5_000 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Input>({ kind: 'detached' }) },
);

/**
 * An input that fits the state. A message is the next one of its consumer, unless `keep` is set. A session resumes, or goes on
 * after a gap, only in a stream that has the last applied message or more.
 */
const fitting = (state: SubscriptionState, given: Input, keep: boolean): Input => {
  if (given.kind === 'message' && state.name !== 'detached' && !keep) {
    return { ...given, consumerSeq: state.session.deliveries + 1 };
  }
  if (given.kind !== 'attached' || given.plan === 'new stream' || given.plan === 'rolled back') return given;
  const lastSeq = Math.max(given.opened.lastSeq, state.point.applied);
  return { ...given, opened: { ...given.opened, lastSeq } };
};

const frozen = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null && !ArrayBuffer.isView(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) frozen(part);
  }
  return value;
};

/** Runs the inputs, and hands each step to `see`. */
const follow = (
  inputs: readonly (readonly [Input, boolean])[],
  see: (before: SubscriptionState, given: Input, after: SubscriptionState, effects: readonly Effect[]) => void,
): void => {
  let state: SubscriptionState = { name: 'detached', point: NO_RESUME_POINT };
  for (const [given, keep] of inputs) {
    const actual = frozen(fitting(state, given, keep));
    const next: Transition = frozen(advance(frozen(state), actual));
    expect(advance(state, actual)).toEqual(next);
    see(state, actual, next.state, next.effects);
    state = next.state;
  }
};
const always = (property: (inputs: readonly (readonly [Input, boolean])[]) => void): void => {
  const onceInTen = fc.integer({ min: 0, max: 9 }).map((value) => value === 0);
  fc.assert(fc.property(fc.array(fc.tuple(input, onceInTen), { maxLength: 40 }), property), { numRuns: runs });
};

it('the subscription moves only forward between two beginnings, and its effects agree with the resume point', () => {
  always((inputs) => {
    follow(inputs, (before, _given, after, effects) => {
      let { applied } = before.point;
      for (const effect of effects) {
        if (effect.kind === 'begin') applied = effect.lowWaterMark;
        if (effect.kind !== 'skipTo' && effect.kind !== 'apply') continue;
        if (effect.kind === 'apply') expect(effect.seq).toBeGreaterThan(applied);
        else expect(effect.seq).toBeGreaterThanOrEqual(applied);
        applied = effect.seq;
      }
      expect(after.point.applied).toBe(applied);
    });
  });
});

it('the subscription applies or skips every number', () => {
  always((inputs) => {
    follow(inputs, (before, _given, _after, effects) => {
      let { applied } = before.point;
      for (const effect of effects) {
        if (effect.kind === 'apply') expect(effect.seq).toBe(applied + 1);
        if (effect.kind === 'begin') applied = effect.lowWaterMark;
        else if (effect.kind === 'apply' || effect.kind === 'skipTo') applied = effect.seq;
      }
    });
  });
});

it('the subscription renews the lease only from the moment of a check, less the doubt, once all events of its answer are applied', () => {
  let renewals = 0;
  always((inputs) => {
    /** The last message of the stream, by the moment that a lease counts from. */
    let asked: { readonly at: number; readonly lastSeq: number }[] = [];
    let askedAt = 0;
    follow(inputs, (before, given, _after, effects) => {
      if (given.kind === 'attached') {
        const { opened } = given;
        asked = [{ at: given.askedAt - opened.leaderDoubtMs, lastSeq: opened.lastSeq }];
      }
      if (given.kind === 'check') askedAt = given.at;
      if (given.kind === 'checked') {
        asked.push({ at: askedAt - given.stream.leaderDoubtMs, lastSeq: given.stream.lastSeq });
      }
      let { applied } = before.point;
      for (const effect of effects) {
        if (effect.kind === 'begin') applied = effect.lowWaterMark;
        if (effect.kind === 'apply' || effect.kind === 'skipTo') applied = effect.seq;
        if (effect.kind !== 'renewLease') continue;
        renewals += 1;
        expect(asked.some(({ at, lastSeq }) => at === effect.at && lastSeq <= applied)).toBe(true);
      }
    });
  });
  expect(renewals).toBeGreaterThan(0);
});

it('the subscription does nothing while it is detached, and nothing after the end of a session', () => {
  always((inputs) => {
    follow(inputs, (before, given, after, effects) => {
      if (before.name === 'detached' && given.kind !== 'attached') expect(effects).toEqual([]);
      const ended = effects.findIndex(({ kind }) => kind === 'end');
      if (ended >= 0) {
        expect(ended).toBe(effects.length - 1);
        expect(after.name).toBe('detached');
      }
    });
  });
});

it('the subscription applies no message and renews no lease before the numbering of a stream has begun', () => {
  always((inputs) => {
    follow(inputs, (before, given, _after, effects) => {
      const resumes = given.kind === 'attached' && (given.plan === 'resume' || given.plan === 'gap');
      let numbered = before.name === 'following' || resumes;
      for (const { kind } of effects) {
        if (kind === 'begin') numbered = true;
        if (kind === 'apply' || kind === 'renewLease' || kind === 'skipTo') expect(numbered).toBe(true);
      }
    });
  });
});
