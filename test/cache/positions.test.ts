import { beforeEach, describe, expect, it } from 'vitest';
import { createPositions, createTtlPositions, type Positions } from '../../src/cache/positions.ts';

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

  it('is told of the stream and of what is read in any order, and says the stream only', () => {
    const [one, other] = [create(), create()];
    one.begin('e', 10);
    one.readFrom('here');
    other.readFrom('here');
    other.heard(time);
    expect(other.hearing()).toBe(false);
    other.begin('e', 10);
    expect(one.current(other.stamp(), 'u', 'o')).toBe(true);
    expect(one.applied()).toBe('e:10');
  });

  it('raises the floor where events may have been missed', () => {
    const positions = create();
    positions.begin('e', 10);
    positions.skipTo(20);
    expect(positions.current({ epoch: 'e', seq: 19 }, 'u', 'o')).toBe(false);
    expect(positions.stamp()).toEqual({ epoch: 'e', seq: 20 });
  });

  it('does not go back when a resync that was put off comes after a gap', () => {
    const positions = create();
    positions.begin('e', 10);
    positions.skipTo(20);
    positions.apply(11, { kind: 'everything' });
    expect(positions.stamp()).toEqual({ epoch: 'e', seq: 20 });
    expect(positions.current(positions.stamp(), 'u', 'o')).toBe(true);
  });

  it('nor when a gap is told of that lies behind it', () => {
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
