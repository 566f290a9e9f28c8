import { beforeEach, describe, expect, it } from 'vitest';
import { createFreshnessTracker, createTtlFreshness, type FreshnessTracker } from '../../../src/facts/freshness.ts';

let time = 0;
const clock = { now: () => time, monotonic: () => time };
const create = (maxRemembered = 1_000): FreshnessTracker =>
  createFreshnessTracker({ clock, leaseMs: 2_000, rememberMs: 360_000, maxRemembered });

beforeEach(() => {
  time = 1_000;
});

describe('the freshness predicate', () => {
  it('no revision from before the first stream is current', () => {
    const freshness = create();
    const before = freshness.revision();
    freshness.renewLease(time);
    expect(freshness.isLive()).toBe(false);
    freshness.begin('e', 0);
    expect(freshness.isCurrent(before, 'u', 'o')).toBe(false);
  });

  it('a revision is current at or above the low-water mark, and only in its own epoch', () => {
    const freshness = create();
    freshness.begin('e', 10);
    expect(freshness.isCurrent({ epoch: 'e', seq: 9 }, 'u', 'o')).toBe(false);
    expect(freshness.isCurrent({ epoch: 'e', seq: 10 }, 'u', 'o')).toBe(true);
    expect(freshness.isCurrent({ epoch: 'other', seq: 99 }, 'u', 'o')).toBe(false);
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
  ] as const)(
    'a change of kind %s makes stale the pairs that it concerns, and no other pair',
    (_name, change, expected) => {
      const freshness = create();
      freshness.begin('e', 10);
      const before = freshness.revision();
      freshness.apply(11, change);
      for (const [pair, current] of Object.entries(expected)) {
        const [userId = '', organizationId = ''] = pair.split(' ');
        const of = organizationId === '-' ? null : organizationId;
        expect(freshness.isCurrent(before, userId, of), pair).toBe(current);
        expect(freshness.isCurrent(freshness.revision(), userId, of), `${pair}, read again`).toBe(true);
      }
    },
  );

  it.each([
    ['u', 'o', 'u  ', 'o  '],
    ['u  ', 'o  ', 'u', 'o'],
    ['u', 'o  ', 'u ', 'o'],
  ])(
    'a change of (%j, %j) makes (%j, %j) stale, since both are equal in a char(n) column',
    (user, organization, ...cached) => {
      const changes = [
        { kind: 'pair', userId: user, organizationId: organization },
        { kind: 'user', userId: user },
        { kind: 'organization', organizationId: organization },
      ] as const;
      for (const change of changes) {
        const freshness = create();
        freshness.begin('e', 10);
        const before = freshness.revision();
        freshness.apply(11, change);
        expect(freshness.isCurrent(before, ...cached), change.kind).toBe(false);
        expect(freshness.isCurrent(before, ` ${cached[0]}`, ` ${cached[1]}`), change.kind).toBe(true);
      }
    },
  );

  it('no revision of another data source is current, and the lease goes on', () => {
    for (const freshness of [create(), createTtlFreshness(clock)]) {
      if (freshness.revision().epoch === '') freshness.begin('e', 10);
      freshness.renewLease(time);
      freshness.setDataSource('here');
      const here = freshness.revision();
      freshness.setDataSource('there');
      expect(freshness.isCurrent(here, 'u', 'o')).toBe(false);
      expect(freshness.isCurrent(freshness.revision(), 'u', 'o')).toBe(true);
      expect(freshness.isLive()).toBe(true);
      freshness.setDataSource('here');
      expect(freshness.isCurrent(here, 'u', 'o')).toBe(true);
    }
  });

  it('the epoch names stream and data source, in whatever order they become known', () => {
    const [one, other] = [create(), create()];
    one.begin('e', 10);
    one.setDataSource('here');
    other.setDataSource('here');
    other.renewLease(time);
    expect(other.isLive()).toBe(false);
    other.begin('e', 10);
    expect(one.isCurrent(other.revision(), 'u', 'o')).toBe(true);
    expect(one.applied()).toEqual({ epoch: 'e@here', seq: 10, takenAt: null });
  });

  it('a gap raises the low-water mark', () => {
    const freshness = create();
    freshness.begin('e', 10);
    freshness.skipTo(20);
    expect(freshness.isCurrent({ epoch: 'e', seq: 19 }, 'u', 'o')).toBe(false);
    expect(freshness.revision()).toEqual({ epoch: 'e', seq: 20 });
  });

  it('a gap below the applied revision does not move the revision back', () => {
    const freshness = create();
    freshness.begin('e', 10);
    freshness.apply(20, null);
    freshness.skipTo(15);
    expect(freshness.revision()).toEqual({ epoch: 'e', seq: 20 });
  });

  it('a forgotten change raises the low-water mark, when it is forgotten for lack of room or for its age', () => {
    const freshness = create(2);
    freshness.begin('e', 0);
    for (const [index, userId] of ['a', 'b', 'c'].entries()) freshness.apply(index + 1, { kind: 'user', userId });
    // The change of `a` is forgotten: a revision from before it must not become current again.
    expect(freshness.isCurrent({ epoch: 'e', seq: 0 }, 'a', null)).toBe(false);
    time += 360_001;
    freshness.apply(4, { kind: 'user', userId: 'd' });
    expect(freshness.isCurrent({ epoch: 'e', seq: 2 }, 'c', null)).toBe(false);
  });
});

describe('the lease', () => {
  it('a lease lasts from the moment that it was renewed for', () => {
    const freshness = create();
    freshness.begin('e', 0);
    expect(freshness.isLive()).toBe(false);
    freshness.renewLease(500);
    expect(freshness.isLive()).toBe(true);
    time = 2_499;
    expect(freshness.isLive()).toBe(true);
    time = 2_500;
    expect(freshness.isLive()).toBe(false);
  });

  it('an older renewal that arrives late does not shorten the lease', () => {
    const freshness = create();
    freshness.begin('e', 0);
    freshness.renewLease(900);
    freshness.renewLease(100);
    time = 2_800;
    expect(freshness.isLive()).toBe(true);
  });

  it('the lag is the age of the last renewal, and before the first one the age of the process', () => {
    const freshness = create();
    time += 700;
    expect(freshness.lagMs()).toBe(700);
    freshness.begin('e', 0);
    freshness.renewLease(1_600);
    expect(freshness.lagMs()).toBe(100);
    expect(createTtlFreshness(clock).lagMs()).toBe(0);
  });

  it('a lease does not outlive its stream', () => {
    const freshness = create();
    freshness.begin('e', 0);
    freshness.renewLease(time);
    freshness.begin('f', 0);
    expect(freshness.isLive()).toBe(false);
  });

  it('without NATS the lease never runs out', () => {
    const freshness = createTtlFreshness(clock);
    time += 1e9;
    expect(freshness.isLive()).toBe(true);
    expect(freshness.isCurrent(freshness.revision(), 'u', 'o')).toBe(true);
  });
});

describe('changes of everything in quick succession', () => {
  const EVERYTHING = { kind: 'everything' } as const;
  const USER = { kind: 'user', userId: 'u' } as const;
  const start = (): FreshnessTracker => {
    const freshness = create();
    freshness.begin('e', 10, '1000000010');
    freshness.renewLease(time);
    return freshness;
  };

  it('changes of everything take effect together, four times in a lease, and the applied revision waits for them', () => {
    const freshness = start();
    freshness.apply(11, EVERYTHING, '1000000011');
    expect(freshness.applied()).toEqual({ epoch: 'e', seq: 11, takenAt: '1000000011' });
    const first = freshness.revision();
    for (let seq = 12; seq <= 50; seq += 1) {
      time += 10;
      freshness.apply(seq, EVERYTHING, `10000000${seq}`);
      expect(freshness.applied()).toEqual({ epoch: 'e', seq: 11, takenAt: '1000000011' });
      expect(freshness.isCurrent(first, 'v', 'o')).toBe(true);
    }
    // Facts that are read meanwhile have the latest revision, and stay current.
    const during = freshness.revision();
    expect(during.seq).toBe(50);
    time += 110;
    expect(freshness.applied()).toEqual({ epoch: 'e', seq: 50, takenAt: '1000000050' });
    expect(freshness.isCurrent(first, 'v', 'o')).toBe(false);
    expect(freshness.isCurrent({ epoch: 'e', seq: 49 }, 'v', 'o')).toBe(false);
    expect(freshness.isCurrent(during, 'v', 'o')).toBe(true);
    time += 499;
    freshness.apply(51, EVERYTHING);
    expect(freshness.applied().seq).toBe(50);
    time += 501;
    freshness.apply(52, EVERYTHING);
    expect(freshness.applied().seq).toBe(51);
    time += 500;
    freshness.apply(53, EVERYTHING);
    expect(freshness.applied().seq).toBe(52);
  });

  it.each([
    [
      'the predicate',
      (freshness: FreshnessTracker, before: { epoch: string; seq: number }) => freshness.isCurrent(before, 'v', 'o'),
    ],
    ['the applied revision', (freshness: FreshnessTracker) => freshness.applied().seq < 12],
  ])('changes that were put off are in force once they are due, when %s is asked for first', (_name, isLeft) => {
    const freshness = start();
    freshness.apply(11, EVERYTHING);
    const before = freshness.revision();
    freshness.apply(12, EVERYTHING);
    expect(isLeft(freshness, before)).toBe(true);
    time += 500;
    expect(isLeft(freshness, before)).toBe(false);
  });

  it('a change of everything that is put off holds back the applied revision of later events, which take effect at once', () => {
    const freshness = start();
    freshness.apply(11, EVERYTHING);
    const before = freshness.revision();
    freshness.apply(12, EVERYTHING);
    freshness.apply(13, USER);
    expect(freshness.isCurrent(before, 'u', null)).toBe(false);
    expect(freshness.isCurrent(before, 'v', null)).toBe(true);
    expect(freshness.applied().seq).toBe(11);
    time += 500;
    expect(freshness.isCurrent(before, 'v', null)).toBe(false);
    expect(freshness.applied().seq).toBe(13);
  });

  it('a change of everything that is put off holds back lease renewals, so that no stale entry outlives the lease', () => {
    const freshness = start();
    freshness.apply(11, EVERYTHING);
    time += 100;
    freshness.apply(12, EVERYTHING);
    freshness.renewLease(time);
    expect(freshness.lagMs()).toBe(100);
    time += 400;
    expect(freshness.lagMs()).toBe(400);
  });

  it('a gap puts earlier changes of everything into force, and a new stream drops them', () => {
    const freshness = start();
    freshness.apply(11, EVERYTHING);
    freshness.apply(12, EVERYTHING);
    freshness.skipTo(20, '1000000020');
    expect(freshness.applied()).toEqual({ epoch: 'e', seq: 20, takenAt: '1000000020' });
    freshness.apply(21, EVERYTHING);
    expect(freshness.applied().seq).toBe(20);
    freshness.begin('f', 3, '1000000003', 'f of all');
    time += 1_000;
    expect(freshness.applied()).toEqual({ epoch: 'f of all', seq: 3, takenAt: '1000000003' });
    expect(freshness.isCurrent({ epoch: 'f', seq: 3 }, 'v', 'o')).toBe(true);
  });
});
