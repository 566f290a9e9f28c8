import { beforeEach, describe, expect, it } from 'vitest';
import { createPositions, createTtlPositions, type Positions } from '../../../src/facts/positions.ts';

let time = 0;
const clock = { now: () => time, monotonic: () => time };
const create = (maxRemembered = 1_000): Positions =>
  createPositions({ clock, leaseMs: 2_000, rememberMs: 360_000, maxRemembered });

beforeEach(() => {
  time = 1_000;
});

describe('the predicate', () => {
  it('trusts nothing of before a stream was found', () => {
    const positions = create();
    const before = positions.stamp();
    positions.heard(time);
    expect(positions.hearing()).toBe(false);
    positions.begin('e', 0);
    expect(positions.current(before, 'u', 'o')).toBe(false);
  });

  it('trusts what began at or after the floor, and nothing of another epoch', () => {
    const positions = create();
    positions.begin('e', 10);
    expect(positions.current({ epoch: 'e', seq: 9 }, 'u', 'o')).toBe(false);
    expect(positions.current({ epoch: 'e', seq: 10 }, 'u', 'o')).toBe(true);
    expect(positions.current({ epoch: 'other', seq: 99 }, 'u', 'o')).toBe(false);
  });

  it.each([
    [
      'pair',
      { kind: 'pair', userId: 'u', organizationId: 'o' },
      { 'u o': false, 'u p': true, 'u -': true, 'v o': true },
    ],
    ['user', { kind: 'user', userId: 'u' }, { 'u o': false, 'u p': false, 'u -': false, 'v o': true }],
    [
      'organization',
      { kind: 'organization', organizationId: 'o' },
      { 'u o': false, 'u p': true, 'u -': true, 'v o': false },
    ],
    ['everything', { kind: 'everything' }, { 'u o': false, 'u p': false, 'u -': false, 'v o': false }],
  ] as const)('a change of a %s makes stale what it concerns, and nothing else', (_name, change, expected) => {
    const positions = create();
    positions.begin('e', 10);
    const before = positions.stamp();
    positions.apply(11, change);
    for (const [pair, current] of Object.entries(expected)) {
      const [userId = '', organizationId = ''] = pair.split(' ');
      const of = organizationId === '-' ? null : organizationId;
      expect(positions.current(before, userId, of), pair).toBe(current);
      expect(positions.current(positions.stamp(), userId, of), `${pair}, read anew`).toBe(true);
    }
  });

  it.each([
    ['u', 'o', 'u  ', 'o  '],
    ['u  ', 'o  ', 'u', 'o'],
    ['u', 'o  ', 'u ', 'o'],
  ])(
    'a change of (%j, %j) makes (%j, %j) stale: a char(n) column has both for one',
    (user, organization, ...cached) => {
      const changes = [
        { kind: 'pair', userId: user, organizationId: organization },
        { kind: 'user', userId: user },
        { kind: 'organization', organizationId: organization },
      ] as const;
      for (const change of changes) {
        const positions = create();
        positions.begin('e', 10);
        const before = positions.stamp();
        positions.apply(11, change);
        expect(positions.current(before, ...cached), change.kind).toBe(false);
        expect(positions.current(before, ` ${cached[0]}`, ` ${cached[1]}`), change.kind).toBe(true);
      }
    },
  );

  it('trusts nothing that was read from elsewhere, and goes on hearing', () => {
    for (const positions of [create(), createTtlPositions(clock)]) {
      if (positions.stamp().epoch === '') positions.begin('e', 10);
      positions.heard(time);
      positions.readFrom('here');
      const here = positions.stamp();
      positions.readFrom('there');
      expect(positions.current(here, 'u', 'o')).toBe(false);
      expect(positions.current(positions.stamp(), 'u', 'o')).toBe(true);
      expect(positions.hearing()).toBe(true);
      positions.readFrom('here');
      expect(positions.current(here, 'u', 'o')).toBe(true);
    }
  });

  it('is told of the stream and of what is read in any order, and names both', () => {
    const [one, other] = [create(), create()];
    one.begin('e', 10);
    one.readFrom('here');
    other.readFrom('here');
    other.heard(time);
    expect(other.hearing()).toBe(false);
    other.begin('e', 10);
    expect(one.current(other.stamp(), 'u', 'o')).toBe(true);
    expect(one.applied()).toEqual({ epoch: 'e@here', seq: 10, takenAt: null });
  });

  it('raises the floor where events may have been missed', () => {
    const positions = create();
    positions.begin('e', 10);
    positions.skipTo(20);
    expect(positions.current({ epoch: 'e', seq: 19 }, 'u', 'o')).toBe(false);
    expect(positions.stamp()).toEqual({ epoch: 'e', seq: 20 });
  });

  it('does not go back when a gap is told of that lies behind it', () => {
    const positions = create();
    positions.begin('e', 10);
    positions.apply(20, null);
    positions.skipTo(15);
    expect(positions.stamp()).toEqual({ epoch: 'e', seq: 20 });
  });

  it('forgets changes safely: for want of room, and by age', () => {
    const positions = create(2);
    positions.begin('e', 0);
    for (const [index, userId] of ['a', 'b', 'c'].entries()) positions.apply(index + 1, { kind: 'user', userId });
    // The change of `a` was forgotten: what was read before it must not become current again.
    expect(positions.current({ epoch: 'e', seq: 0 }, 'a', null)).toBe(false);
    time += 360_001;
    positions.apply(4, { kind: 'user', userId: 'd' });
    expect(positions.current({ epoch: 'e', seq: 2 }, 'c', null)).toBe(false);
  });
});

describe('hearing', () => {
  it('lasts as long as the lease from the moment that was proved', () => {
    const positions = create();
    positions.begin('e', 0);
    expect(positions.hearing()).toBe(false);
    positions.heard(500);
    expect(positions.hearing()).toBe(true);
    time = 2_499;
    expect(positions.hearing()).toBe(true);
    time = 2_500;
    expect(positions.hearing()).toBe(false);
  });

  it('is not shortened by an older proof that comes later', () => {
    const positions = create();
    positions.begin('e', 0);
    positions.heard(900);
    positions.heard(100);
    time = 2_800;
    expect(positions.hearing()).toBe(true);
  });

  it('lags by the age of what was proved, and by the age of the process before the first proof', () => {
    const positions = create();
    time += 700;
    expect(positions.lagMs()).toBe(700);
    positions.begin('e', 0);
    positions.heard(1_600);
    expect(positions.lagMs()).toBe(100);
    expect(createTtlPositions(clock).lagMs()).toBe(0);
  });

  it('does not outlive its stream', () => {
    const positions = create();
    positions.begin('e', 0);
    positions.heard(time);
    positions.begin('f', 0);
    expect(positions.hearing()).toBe(false);
  });

  it('is never in question without NATS', () => {
    const positions = createTtlPositions(clock);
    time += 1e9;
    expect(positions.hearing()).toBe(true);
    expect(positions.current(positions.stamp(), 'u', 'o')).toBe(true);
  });
});

describe('changes of everything that come close together', () => {
  const EVERYTHING = { kind: 'everything' } as const;
  const USER = { kind: 'user', userId: 'u' } as const;
  const start = (): Positions => {
    const positions = create();
    positions.begin('e', 10, '1000000010');
    positions.heard(time);
    return positions;
  };

  it('are put into force together, four times in a lease, and the position waits for them', () => {
    const positions = start();
    positions.apply(11, EVERYTHING, '1000000011');
    expect(positions.applied()).toEqual({ epoch: 'e', seq: 11, takenAt: '1000000011' });
    const first = positions.stamp();
    for (let seq = 12; seq <= 50; seq += 1) {
      time += 10;
      positions.apply(seq, EVERYTHING, `10000000${seq}`);
      expect(positions.applied()).toEqual({ epoch: 'e', seq: 11, takenAt: '1000000011' });
      expect(positions.current(first, 'v', 'o')).toBe(true);
    }
    // What is read meanwhile is stamped with what was recorded, and stays.
    const during = positions.stamp();
    expect(during.seq).toBe(50);
    time += 110;
    expect(positions.applied()).toEqual({ epoch: 'e', seq: 50, takenAt: '1000000050' });
    expect(positions.current(first, 'v', 'o')).toBe(false);
    expect(positions.current({ epoch: 'e', seq: 49 }, 'v', 'o')).toBe(false);
    expect(positions.current(during, 'v', 'o')).toBe(true);
    time += 499;
    positions.apply(51, EVERYTHING);
    expect(positions.applied().seq).toBe(50);
    time += 501;
    positions.apply(52, EVERYTHING);
    expect(positions.applied().seq).toBe(51);
    time += 500;
    positions.apply(53, EVERYTHING);
    expect(positions.applied().seq).toBe(52);
  });

  it.each([
    [
      'the predicate',
      (positions: Positions, before: { epoch: string; seq: number }) => positions.current(before, 'v', 'o'),
    ],
    ['the position', (positions: Positions) => positions.applied().seq < 12],
  ])('are in force when %s is asked for after their time, whoever asks first', (_name, isLeft) => {
    const positions = start();
    positions.apply(11, EVERYTHING);
    const before = positions.stamp();
    positions.apply(12, EVERYTHING);
    expect(isLeft(positions, before)).toBe(true);
    time += 500;
    expect(isLeft(positions, before)).toBe(false);
  });

  it('hold back the position of the events after them, which make stale at once what they concern', () => {
    const positions = start();
    positions.apply(11, EVERYTHING);
    const before = positions.stamp();
    positions.apply(12, EVERYTHING);
    positions.apply(13, USER);
    expect(positions.current(before, 'u', null)).toBe(false);
    expect(positions.current(before, 'v', null)).toBe(true);
    expect(positions.applied().seq).toBe(11);
    time += 500;
    expect(positions.current(before, 'v', null)).toBe(false);
    expect(positions.applied().seq).toBe(13);
  });

  it('hold back proofs: an older one must not let what they make stale answer past the lease', () => {
    const positions = start();
    positions.apply(11, EVERYTHING);
    time += 100;
    positions.apply(12, EVERYTHING);
    positions.heard(time);
    expect(positions.lagMs()).toBe(100);
    time += 400;
    expect(positions.lagMs()).toBe(400);
  });

  it('are in force with a gap that reaches past them, and forgotten with their stream', () => {
    const positions = start();
    positions.apply(11, EVERYTHING);
    positions.apply(12, EVERYTHING);
    positions.skipTo(20, '1000000020');
    expect(positions.applied()).toEqual({ epoch: 'e', seq: 20, takenAt: '1000000020' });
    positions.apply(21, EVERYTHING);
    expect(positions.applied().seq).toBe(20);
    positions.begin('f', 3, '1000000003', 'f of all');
    time += 1_000;
    expect(positions.applied()).toEqual({ epoch: 'f of all', seq: 3, takenAt: '1000000003' });
    expect(positions.current({ epoch: 'f', seq: 3 }, 'v', 'o')).toBe(true);
  });
});
