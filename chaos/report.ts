/** From the counts to what is printed, the JSON and the verdict. Pure. */
import type { Finding } from './auditor.ts';
import { type FaultKind, faultKinds } from './plan.ts';
import { type Quantiles, quantiles } from './statistics.ts';
import type { Counts } from './survey.ts';

/** What a run saw. */
export interface Results {
  readonly seconds: number;
  readonly seed: number;
  /** Whether anything was broken on purpose. */
  readonly withFaults: boolean;
  readonly counts: Counts;
  readonly changes: number;
  /** By the event that told of them. */
  readonly changesByEvent: Readonly<Record<string, number>>;
  readonly revocations: number;
  /** Of a grant that had been answered from a cache in the second before, and that was then asked about on all replicas. */
  readonly revocationsOfCachedGrants: number;
  readonly findings: Readonly<Record<Finding, number>>;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly flips: readonly number[];
  readonly publishRetries: number;
}

const FULL_SECONDS = 600;
const FULL_REVOCATIONS = 1_000;
const MIN_MEMORY = 0.5;
const MIN_REDIS = 0.02;

/** Of each scope of an event: a user, a pair, an organization, everything. */
const EVENTS_NEEDED = [
  'user.updated',
  'member.role_changed',
  'organization_role.changed',
  'organization.updated',
  'resync',
];

const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
const percent = (value: number): string => `${(100 * value).toFixed(1)} %`;
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const faultCount = ({ faults }: Pick<Results, 'faults'>): number => sum(Object.values(faults));

/** How many revocations of cached grants a run of this length must have for its result to mean something. */
const revocationsNeeded = (seconds: number): number =>
  Math.ceil(FULL_REVOCATIONS * Math.min(1, seconds / FULL_SECONDS));

/** What was wrong with the service. */
export const defects = ({ findings, counts }: Results): readonly string[] => [
  ...(findings['stale grant'] > 0 ? [`${findings['stale grant']} stale grants`] : []),
  ...(findings.stale > 0 ? [`${findings.stale} other answers from before a change that they had to show`] : []),
  ...(findings.wrong > 0 ? [`${findings.wrong} answers that never were true`] : []),
  ...(counts.late > 0
    ? [`${counts.late} answers of replicas that had not heard of an event in time (${Math.round(counts.latestMs)} ms)`]
    : []),
  ...(counts.failuresByCause.none > 0
    ? [`${counts.failuresByCause.none} checks failed though neither PostgreSQL nor the replica was broken`]
    : []),
];

/** Why the run proves nothing. */
const gaps = (results: Results): readonly string[] => {
  const { counts, withFaults, faults, seconds, revocationsOfCachedGrants } = results;
  const memory = share(counts.bySource.memory, counts.answers);
  const redis = share(counts.bySource.redis, counts.answers);
  const needed = revocationsNeeded(seconds);
  const missing = faultKinds.filter((kind) => faults[kind] === undefined);
  const untold = EVENTS_NEEDED.filter((name) => results.changesByEvent[name] === undefined);
  return [
    ...(memory < MIN_MEMORY ? [`only ${percent(memory)} of the answers came from memory`] : []),
    ...(redis < MIN_REDIS ? [`only ${percent(redis)} of the answers came from Redis`] : []),
    ...(revocationsOfCachedGrants < needed
      ? [
          `only ${revocationsOfCachedGrants} of ${needed} revocations hit a cached grant that was then asked about everywhere`,
        ]
      : []),
    ...(withFaults && untold.length > 0 ? [`no change was told of by ${untold.join(', ')}`] : []),
    ...(withFaults && missing.length > 0 ? [`these faults did not occur: ${missing.join(', ')}`] : []),
  ];
};

/** Everything that makes the run fail; empty when it held. */
export const problems = (results: Results): readonly string[] => [
  ...defects(results),
  ...gaps(results).map((gap) => `the run proves nothing: ${gap}`),
];

/** The line that the output ends with. */
export const lastLine = (results: Results): string =>
  `stale grants: ${results.findings['stale grant']} of ${results.counts.answers} answers after ${results.revocations} revocations, ${faultCount(results)} faults`;

const milliseconds = (times: Quantiles | null): string =>
  times === null
    ? 'not measured'
    : `p50 ${times.p50.toFixed(1)} ms, p99 ${times.p99.toFixed(1)} ms, max ${times.max.toFixed(1)} ms`;

const listed = (values: Readonly<Record<string, number>>): string => {
  const entries = Object.entries(values).filter(([, count]) => count > 0);
  return entries.length === 0 ? 'none' : entries.map(([name, count]) => `${name} ${count}`).join(', ');
};

/** The figures, one a line, without the last line. */
export const summary = (results: Results): readonly string[] => {
  const { counts, seed, seconds } = results;
  const from = (count: number): string => percent(share(count, counts.answers));
  return [
    `seed ${seed}, ${seconds} s: ${counts.calls} calls, ${counts.answers} answers`,
    `answers from memory ${from(counts.bySource.memory)}, Redis ${from(counts.bySource.redis)}, PostgreSQL ${from(counts.bySource.database)}`,
    `${results.changes} changes, ${results.revocations} revocations, of which ${results.revocationsOfCachedGrants} of a grant that was cached and then asked about on every replica (${revocationsNeeded(seconds)} needed); ${results.publishRetries} publishes tried again`,
    `changes by event: ${listed(results.changesByEvent)}`,
    `faults: ${listed(results.faults)}`,
    `checks failed by status: ${listed(counts.failures)}`,
    `  while broken: PostgreSQL ${counts.failuresByCause.postgres}, the replica ${counts.failuresByCause.replica}, neither ${counts.failuresByCause.none} (without RESOURCE_EXHAUSTED)`,
    `from the publish to the new answer on every replica: ${milliseconds(quantiles(results.flips))}`,
    ...problems(results).map((problem) => `FAILED: ${problem}`),
  ];
};

/** The JSON file. */
export const toJson = (results: Results): Readonly<Record<string, unknown>> => ({
  seconds: results.seconds,
  seed: results.seed,
  calls: results.counts.calls,
  answers: results.counts.answers,
  bySource: results.counts.bySource,
  changes: results.changes,
  changesByEvent: results.changesByEvent,
  revocations: results.revocations,
  revocationsOfCachedGrants: results.revocationsOfCachedGrants,
  staleGrants: results.findings['stale grant'],
  otherStaleAnswers: results.findings.stale,
  wrongAnswers: results.findings.wrong,
  lateAnswers: results.counts.late,
  faults: results.faults,
  failures: results.counts.failures,
  failuresByCause: results.counts.failuresByCause,
  publishRetries: results.publishRetries,
  flipMs: quantiles(results.flips) ?? { p50: null, p99: null, max: null },
  problems: problems(results),
});
