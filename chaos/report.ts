/** From the counts to what is printed, the JSON and the verdict. Pure. */
import type { Finding } from './auditor.ts';
import { type FaultKind, faultKinds, separates } from './plan.ts';
import { type Quantiles, quantiles } from './statistics.ts';
import type { Counts } from './survey.ts';
import type { Topology } from './topology.ts';

/** What a run saw. */
export interface Results {
  readonly seconds: number;
  readonly seed: number;
  readonly topology: Topology;
  /** How the names of the faults begin that were to be made; empty: all of the topology's. */
  readonly only: string;
  /** Whether anything was broken on purpose. */
  readonly withFaults: boolean;
  readonly counts: Counts;
  readonly changes: number;
  /** By the name of their event. */
  readonly changesByEvent: Readonly<Record<string, number>>;
  readonly revocations: number;
  /** Revocations of a grant that a cache had answered in the second before, and that was then checked on all replicas. */
  readonly revocationsOfCachedGrants: number;
  /** Acknowledged by the stream while the servers that replicas connect to had no way to it; in a cluster one of them. */
  readonly revocationsWhileApart: number;
  readonly findings: Readonly<Record<Finding, number>>;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  readonly flips: readonly number[];
  readonly publishRetries: number;
}

const FULL_SECONDS = 600;

/** What a run must have for its result to mean something; revocations in {@link FULL_SECONDS}, in proportion for less. */
interface Needs {
  /** Shares of the answers. */
  readonly memory: number;
  readonly redis: number;
  readonly revocationsOfCachedGrants: number;
  readonly revocationsWhileApart: number;
}

const NEEDS: Needs = { memory: 0.5, redis: 0.02, revocationsOfCachedGrants: 1_000, revocationsWhileApart: 0 };
/**
 * Servers that are apart stay so for longer than a lease, and elect leaders for seconds: meanwhile replicas answer from
 * PostgreSQL, as they must. The number of revocations that could not reach them is required instead.
 */
const NEEDS_BETWEEN_SERVERS: Needs = {
  ...{ memory: 0.2, redis: 0.002, revocationsOfCachedGrants: 500, revocationsWhileApart: 200 },
};

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

/** What this run must have: without faults, or with others alone, servers are never apart. */
const needsOf = ({ topology, only, withFaults, seconds }: Results): Needs => {
  const needs = topology === 'single' || !withFaults ? NEEDS : NEEDS_BETWEEN_SERVERS;
  const inProportion = (revocations: number): number => Math.ceil(revocations * Math.min(1, seconds / FULL_SECONDS));
  const apart = faultKinds(topology, only).some(separates);
  return {
    ...needs,
    revocationsOfCachedGrants: inProportion(needs.revocationsOfCachedGrants),
    revocationsWhileApart: apart ? inProportion(needs.revocationsWhileApart) : 0,
  };
};

/** What was wrong with the service. */
export const defects = ({ findings, counts }: Results): readonly string[] => [
  ...(findings['stale grant'] > 0 ? [`${findings['stale grant']} stale grants`] : []),
  ...(findings.stale > 0 ? [`${findings.stale} other answers from before a change that they had to show`] : []),
  ...(findings.wrong > 0 ? [`${findings.wrong} answers that never were true`] : []),
  ...(counts.late > 0
    ? [`${counts.late} answers of replicas that had not applied an event in time (${Math.round(counts.latestMs)} ms)`]
    : []),
  ...(counts.failuresByCause.none > 0
    ? [`${counts.failuresByCause.none} checks failed though neither PostgreSQL nor the replica was broken`]
    : []),
];

/** Why the run proves nothing. */
const gaps = (results: Results): readonly string[] => {
  const { counts, topology, only, withFaults, faults, revocationsOfCachedGrants, revocationsWhileApart } = results;
  const memory = share(counts.bySource.memory, counts.answers);
  const redis = share(counts.bySource.redis, counts.answers);
  const needs = needsOf(results);
  const missing = faultKinds(topology, only).filter((kind) => faults[kind] === undefined);
  const unpublished = EVENTS_NEEDED.filter((name) => results.changesByEvent[name] === undefined);
  return [
    ...(memory < needs.memory ? [`only ${percent(memory)} of the answers came from memory`] : []),
    ...(redis < needs.redis ? [`only ${percent(redis)} of the answers came from Redis`] : []),
    ...(revocationsOfCachedGrants < needs.revocationsOfCachedGrants
      ? [
          `only ${revocationsOfCachedGrants} of ${needs.revocationsOfCachedGrants} revocations hit a cached grant that was then checked on every replica`,
        ]
      : []),
    ...(revocationsWhileApart < needs.revocationsWhileApart
      ? [
          `only ${revocationsWhileApart} of ${needs.revocationsWhileApart} revocations were acknowledged while servers were apart`,
        ]
      : []),
    ...(withFaults && unpublished.length > 0 ? [`no change was published as ${unpublished.join(', ')}`] : []),
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
  const { counts, topology, only, seed, seconds } = results;
  const needs = needsOf(results);
  const from = (count: number): string => percent(share(count, counts.answers));
  return [
    `${topology}, ${only === '' ? '' : `only ${only}, `}seed ${seed}, ${seconds} s: ${counts.calls} calls, ${counts.answers} answers`,
    `answers from memory ${from(counts.bySource.memory)}, Redis ${from(counts.bySource.redis)}, PostgreSQL ${from(counts.bySource.database)}`,
    `${results.changes} changes, ${results.revocations} revocations, of which ${results.revocationsOfCachedGrants} of a grant that was cached and then checked on every replica (${needs.revocationsOfCachedGrants} needed); ${results.publishRetries} publishes tried again`,
    ...(needs.revocationsWhileApart > 0
      ? [
          `${results.revocationsWhileApart} revocations were acknowledged while servers were apart (${needs.revocationsWhileApart} needed)`,
        ]
      : []),
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
  topology: results.topology,
  only: results.only,
  calls: results.counts.calls,
  answers: results.counts.answers,
  bySource: results.counts.bySource,
  changes: results.changes,
  changesByEvent: results.changesByEvent,
  revocations: results.revocations,
  revocationsOfCachedGrants: results.revocationsOfCachedGrants,
  revocationsWhileApart: results.revocationsWhileApart,
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
