/** The verdict. */
import { describe, expect, it } from 'vitest';
import { parseOptions } from '../../../chaos/options.ts';
import { faultKinds } from '../../../chaos/plan.ts';
import { lastLine, problems, type Results, summary, toJson } from '../../../chaos/report.ts';
import { quantiles } from '../../../chaos/statistics.ts';

const GOOD: Results = {
  seconds: 600,
  seed: 1,
  topology: 'single',
  only: '',
  withFaults: true,
  counts: {
    calls: 500,
    answers: 1_000,
    bySource: { memory: 500, redis: 20, database: 480 },
    failures: { UNAVAILABLE: 3, RESOURCE_EXHAUSTED: 9 },
    failuresByCause: { replica: 1, postgres: 2, none: 0 },
    late: 0,
    latestMs: 0,
  },
  changes: 3_000,
  changesByEvent: {
    ...{ 'user.updated': 9, 'member.role_changed': 9 },
    ...{ 'organization_role.changed': 3, 'organization.updated': 2, resync: 1 },
  },
  revocations: 1_500,
  revocationsOfCachedGrants: 1_000,
  revocationsWhileApart: 0,
  findings: { 'stale grant': 0, stale: 0, wrong: 0 },
  faults: Object.fromEntries(faultKinds('single').map((kind) => [kind, 2])),
  flips: [1, 2, 3],
  publishRetries: 4,
};
const counts = (change: Partial<Results['counts']>): Results => ({ ...GOOD, counts: { ...GOOD.counts, ...change } });

describe('the verdict of a run', () => {
  it('a run without a violation has no problems', () => {
    expect(problems(GOOD)).toEqual([]);
    expect(summary(GOOD).join('\n')).not.toContain('FAILED');
    expect(lastLine(GOOD)).toBe(
      `stale grants: 0 of 1000 answers after 1500 revocations, ${2 * faultKinds('single').length} faults`,
    );
  });

  it.each<[string, Results, RegExp]>([
    ['a stale grant', { ...GOOD, findings: { 'stale grant': 1, stale: 0, wrong: 0 } }, /^1 stale grants/],
    ['a stale denial', { ...GOOD, findings: { 'stale grant': 0, stale: 2, wrong: 0 } }, /^2 other answers/],
    ['a wrong answer', { ...GOOD, findings: { 'stale grant': 0, stale: 0, wrong: 1 } }, /^1 answers that never/],
    ['an event that was applied too late', counts({ late: 1, latestMs: 1_234 }), /\(1234 ms\)/],
    [
      'a call that failed without a reason',
      counts({ failuresByCause: { replica: 0, postgres: 0, none: 1 } }),
      /^1 checks failed/,
    ],
    ['too little memory', counts({ bySource: { memory: 499, redis: 21, database: 480 } }), /nothing: only 49.9 %/],
    ['too little Redis', counts({ bySource: { memory: 500, redis: 19, database: 481 } }), /nothing: only 1.9 %/],
    ['too few revocations', { ...GOOD, revocationsOfCachedGrants: 999 }, /nothing: only 999 of 1000/],
    ['events that were not published', { ...GOOD, changesByEvent: {} }, /nothing: no change was published as .*resync/],
    ['a fault that did not occur', { ...GOOD, faults: { 'nats-kill': 1 } }, /nothing: these faults did not occur/],
  ])('a run fails for %s', (_, results, problem) => {
    expect(problems(results)).toEqual([expect.stringMatching(problem)]);
  });

  it('a run needs only the faults of its plan', () => {
    expect(problems({ ...GOOD, only: 'nats-k', faults: { 'nats-kill': 1, 'nats-kill-empty': 1 } })).toEqual([]);
    expect(problems({ ...GOOD, only: 'nats-k', faults: { 'nats-kill': 1 } })).toHaveLength(1);
  });

  it('a short run needs its share of the revocations, and a run without faults needs none', () => {
    expect(problems({ ...GOOD, seconds: 15, revocationsOfCachedGrants: 25 })).toEqual([]);
    expect(problems({ ...GOOD, seconds: 15, revocationsOfCachedGrants: 24 })).toHaveLength(1);
    expect(problems({ ...GOOD, withFaults: false, faults: {} })).toEqual([]);
  });

  it('a run with several servers needs fewer cached answers and more separations', () => {
    const edge: Results = {
      ...{ ...GOOD, topology: 'edge', faults: Object.fromEntries(faultKinds('edge').map((kind) => [kind, 1])) },
      ...{ revocationsOfCachedGrants: 500, revocationsWhileApart: 200 },
      counts: { ...GOOD.counts, bySource: { memory: 200, redis: 2, database: 798 } },
    };
    expect(problems(edge)).toEqual([]);
    expect(problems({ ...edge, revocationsWhileApart: 199 })).toEqual([expect.stringMatching(/199 of 200 .* apart/)]);
    expect(problems({ ...edge, only: 'redis', revocationsWhileApart: 0 })).toEqual([]);
    expect(problems({ ...edge, revocationsOfCachedGrants: 499 })).toEqual([expect.stringMatching(/499 of 500/)]);
    expect(problems({ ...edge, faults: GOOD.faults })).toEqual([expect.stringMatching(/nats-leader-stop.*route-cut/)]);
  });

  it('the JSON of a run has the documented fields', () => {
    const { bySource, failures } = GOOD.counts;
    expect(toJson(GOOD)).toMatchObject({
      topology: 'single',
      ...{ answers: 1_000, bySource, revocations: 1_500, revocationsOfCachedGrants: 1_000, staleGrants: 0 },
      ...{ faults: GOOD.faults, failures, flipMs: { p50: 2, p99: 3, max: 3 } },
    });
  });
});

describe('quantiles', () => {
  it('quantiles are nearest ranks', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(quantiles(hundred)).toEqual({ p50: 50, p99: 99, max: 100 });
    expect(quantiles([])).toBeNull();
  });
});

describe('the command line', () => {
  it('the command line is read, and an unknown option is refused by its name', () => {
    expect(parseOptions(['--seconds', '600', '--seed', '7', '--json', 'x.json'])).toMatchObject({
      ...{ seconds: 600, seed: 7, json: 'x.json', faults: true, service: null },
      topology: 'single',
    });
    expect(parseOptions(['--topology', 'edge'])).toMatchObject({ topology: 'edge' });
    expect(parseOptions(['--no-faults'])).toMatchObject({ faults: false });
    expect(parseOptions(['--help'])).toBeNull();
    expect(() => parseOptions(['--seconds', 'many'])).toThrow('--seconds must be a whole number');
    expect(parseOptions(['--only', 'redis-link'])).toMatchObject({ only: 'redis-link' });
    expect(() => parseOptions(['--only', 'route'])).toThrow(
      '--only route is none of the faults of single: replica-kill,',
    );
    expect(() => parseOptions(['--topology', 'ring'])).toThrow(
      '--topology must be one of single, cluster, edge, gateway, leaf, not "ring".',
    );
  });
});
