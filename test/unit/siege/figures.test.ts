/** The figures of an attack, and the bounds that they break. */
import { expect, it } from 'vitest';
import { boundsOf } from '../../../siege/bounds.ts';
import { breaches, type Figures, honestFigures, medianFigures } from '../../../siege/figures.ts';
import type { HonestCall } from '../../../siege/honest-caller.ts';

const BOUNDS = boundsOf({ name: 'any', kind: 'strangers' });
const GOOD: Figures = {
  honestCalls: 100,
  failed: 0,
  failure: null,
  aloneP50Ms: 2,
  aloneP99Ms: 8,
  p50Ms: 3,
  p99Ms: 40,
  maxMs: 45,
  recoveryMs: 0,
  liveHeapMb: 2,
  residentPeakMb: 20,
  residentAfterMb: 10,
  cpu: 0.5,
  tally: { opened: 20, ended: 20, sent: 1_000, answered: 500, wrong: 0 },
  ending: null,
};

const call = (at: number, ms: number, failure: string | null = null): HonestCall => ({ at, ms, way: 'grpc', failure });

it('honest calls are divided by the beginning and the end of the attack', () => {
  const calls = [call(0, 2), call(100, 4), call(1_100, 20), call(1_500, 30), call(2_500, 3)];
  expect(honestFigures({ calls, alone: 0, began: 1_000, ended: 2_000 })).toMatchObject({
    honestCalls: 3,
    failed: 0,
    aloneP50Ms: 4,
    p50Ms: 30,
    maxMs: 30,
    recoveryMs: 0,
  });
});

it('a call that is under way when the attack begins counts as one during the attack', () => {
  const { honestCalls, aloneP99Ms } = honestFigures({
    calls: [call(0, 2), call(900, 200)],
    alone: 0,
    began: 1_000,
    ended: 2_000,
  });
  expect([honestCalls, aloneP99Ms]).toEqual([1, 2]);
});

it('the recovery lasts until the last slow or failed call after the attack has ended', () => {
  const calls = [
    call(0, 2),
    call(1_990, 60),
    call(1_995, 130),
    call(2_100, 400),
    call(2_600, 10, 'reset'),
    call(3_000, 10),
  ];
  expect(honestFigures({ calls, alone: 0, began: 1_000, ended: 2_000 })).toMatchObject({
    recoveryMs: 610,
    failed: 1,
    failure: 'grpc: reset',
  });
});

it('a call from before the caller was alone counts in no figure', () => {
  const calls = [call(0, 900), call(500, 3), call(1_500, 4)];
  const { aloneP99Ms, p99Ms } = honestFigures({ calls, alone: 400, began: 1_000, ended: 2_000 });
  expect([aloneP99Ms, p99Ms]).toEqual([3, 4]);
});

it('a failure before the attack is none of the attack', () => {
  expect(honestFigures({ calls: [call(0, 2, 'reset')], alone: 0, began: 1_000, ended: 2_000 }).failed).toBe(0);
});

it('figures within the bounds break none', () => {
  expect(breaches(GOOD, BOUNDS)).toEqual([]);
});

it.each<[string, Partial<Figures>, string, boolean]>([
  ['a failed call', { failed: 1, failure: 'grpc: reset' }, '1 honest calls failed (grpc: reset)', false],
  ['a slow 99th percentile', { p99Ms: 251 }, 'p99 251 ms, bound 250', true],
  ['no call during the attack', { p99Ms: Number.NaN }, 'p99 NaN ms, bound 250', true],
  ['a long recovery', { recoveryMs: 1_200 }, 'slow or failed for 1200 ms after the attack, bound 1000', true],
  ['a grown heap', { liveHeapMb: 31 }, 'live heap + 31 MB, bound 30', false],
  ['a heap that cannot be read', { liveHeapMb: null }, 'the live heap could not be read', false],
  ['a process without memory figures', { residentPeakMb: Number.NaN }, 'resident memory + NaN MB, bound 200', false],
  ['a process that ended', { ending: 'SIGABRT' }, 'the service ended: SIGABRT', false],
  ['a wrong answer', { tally: { ...GOOD.tally, wrong: 2 } }, '2 answers that must never be given', false],
  ['an attacker who stays', { tally: { ...GOOD.tally, ended: 0 } }, 'no connection of the attacker was ended', false],
  [
    'an attacker who never came',
    { tally: { opened: 0, ended: 0, sent: 0, answered: 0, wrong: 0 } },
    'the attacker made no connection: the run shows nothing',
    false,
  ],
])('%s breaks a bound', (_what, change, text, isAboutSpeed) => {
  expect(breaches({ ...GOOD, ...change }, BOUNDS)).toEqual([{ text, isAboutSpeed }]);
});

it('connections that stay beyond their number break a bound', () => {
  const figures = { ...GOOD, tally: { ...GOOD.tally, opened: 6_000, ended: 2_000 } };
  const texts = breaches(figures, boundsOf({ name: 'idle-connections', kind: 'strangers' })).map(({ text }) => text);
  expect(texts).toEqual(['4000 connections of the attacker stay, bound 3500']);
});

it('the median of rounds hides no failure, no wrong answer and no ended process', () => {
  const rounds = [
    { ...GOOD, p99Ms: 10 },
    { ...GOOD, p99Ms: 30, failed: 2, failure: 'json: reset', ending: 'SIGKILL' },
    { ...GOOD, p99Ms: 20, tally: { ...GOOD.tally, wrong: 1 } },
  ];
  expect(medianFigures(rounds)).toMatchObject({
    p99Ms: 20,
    failed: 2,
    failure: 'json: reset',
    ending: 'SIGKILL',
    tally: { wrong: 1 },
  });
});

it('a heap that one round could not read is not known', () => {
  expect(medianFigures([GOOD, { ...GOOD, liveHeapMb: null }])?.liveHeapMb).toBeNull();
});
