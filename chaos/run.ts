/** One run: writers, readers and faults on a world, until the time is over or it is stopped. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { createAuditor, type Finding, type Violation } from './auditor.ts';
import { createFaultLog } from './fault-log.ts';
import { type FaultUnderWay, runFaults } from './faults.ts';
import { type Change, latest, type Pair, sameAnswer } from './history.ts';
import { createLagWatch } from './lag.ts';
import type { ChaosOptions } from './options.ts';
import { type FaultKind, type PlannedFault, partOf, planFaults, REPLICAS, scopeOf, separates } from './plan.ts';
import { createPublisher } from './publisher.ts';
import { createRandom } from './random.ts';
import { runReaders } from './readers.ts';
import type { Results } from './report.ts';
import { createSurvey } from './survey.ts';
import type { World } from './world.ts';
import { runWriters } from './writers.ts';

/** ASSENT_EVENTS_LEASE_SECONDS as shipped. */
const LEASE_MS = 2_000;
const PROGRESS_MS = 5_000;
const RECENT = 48;
/** The bound of shown cases for each kind of failure; the rest is only counted. */
const MAX_SHOWN = 20;
/**
 * A new process is slow: at 170 calls a second a replica runs uncompiled for minutes. Where the run measures the service's
 * own time, replicas first get more calls, which are not counted.
 */
const WARM_UP_MS = 15_000;
const WARM_UP_FACTOR = 5;

export interface RunOptions {
  readonly options: ChaosOptions;
  readonly world: World;
  readonly stopped: AbortSignal;
  readonly say: (line: string) => void;
}

const describe = ({ finding, observation, change }: Violation): string => {
  const { pair, replica, sentAt, revision, answer, fromCache } = observation;
  const acknowledged = change?.acknowledged ?? null;
  return [
    `${finding.toUpperCase()}: replica ${replica} answered ${JSON.stringify(answer)}${fromCache ? ' from cache' : ''}`,
    `  about ${pair.userId} in ${pair.organizationId} at ${JSON.stringify(revision)}`,
    `  though ${change?.name ?? 'nothing'} stands at ${JSON.stringify(acknowledged?.mark ?? null)}, acknowledged ${acknowledged === null ? '?' : Math.round(sentAt - acknowledged.at)} ms before the call;`,
    `  its states: ${pair.states
      .slice(-4)
      .map((state) => JSON.stringify(state.answer))
      .join(' ')}`,
  ].join('\n');
};

/** @returns What was seen. */
export const run = async ({ options, world, stopped, say }: RunOptions): Promise<Results> => {
  const { seconds, seed, topology } = options;
  await using stack = new AsyncDisposableStack();
  const faultLog = createFaultLog();
  const findings: Record<Finding, number> = { 'stale grant': 0, stale: 0, wrong: 0 };
  let shown = 0;
  const show = (text: string): void => {
    shown += 1;
    if (shown <= MAX_SHOWN) say(text);
  };
  const onViolation = (violation: Violation): void => {
    findings[violation.finding] += 1;
    if (findings[violation.finding] <= MAX_SHOWN) say(describe(violation));
  };
  const auditor = createAuditor({ leaseMs: LEASE_MS, onViolation });
  const lag = createLagWatch(faultLog);
  const survey = createSurvey({ auditor, lag, faults: faultLog, onUnexplained: show });
  const { counts } = survey;

  const pool = stack.adopt(new pg.Pool({ connectionString: world.ownerUrl, max: 8 }), (opened) => opened.end());
  // For sessions that a killed server leaves: the next commit reports the failure.
  pool.on('error', () => {});
  const publisher = stack.adopt(createPublisher(world.publisherUrls, world.nats.topology), (created) => created.end());
  const replicas = Array.from({ length: REPLICAS }, (_, index) => index);
  const clientOf = (replica: number) => {
    const found = world.replicas[replica];
    if (found === undefined) throw new Error('no such replica');
    return found.client;
  };
  const ask = async (replica: number, pairs: readonly Pair[]) => {
    const reply = await clientOf(replica).ask(pairs);
    survey.take(replica, pairs, reply);
    return reply;
  };

  const changes: Change[] = [];
  const recent: Pair[] = [];
  const flips: number[] = [];
  const faults: Partial<Record<FaultKind, number>> = {};
  const broken = new Set<string>();
  const began = performance.now();
  const warmingUp = (): boolean => !options.faults && performance.now() < began + WARM_UP_MS;
  const revocations = (): number => changes.filter(({ revokes }) => revokes).length;

  const separations: { readonly from: number; readonly to: number }[] = [];
  const onFault = (fault: PlannedFault): FaultUnderWay => {
    const { kind, target } = fault;
    const name = target === 'all' ? kind : `${kind} ${target}`;
    const from = performance.now();
    broken.add(name);
    faults[kind] = (faults[kind] ?? 0) + 1;
    const over = faultLog.begin(partOf(kind), scopeOf(fault), from);
    return {
      healed: () => {
        broken.delete(name);
        if (separates(kind)) separations.push({ from, to: performance.now() });
      },
      over: () => over(performance.now()),
    };
  };
  const whileApart = ({ revokes, acknowledged }: Change): boolean =>
    revokes &&
    acknowledged !== null &&
    separations.some(({ from, to }) => from < acknowledged.at && acknowledged.at < to);
  const progress = setInterval(() => {
    const total = Object.values(faults).reduce((sum, count) => sum + count, 0);
    const failed = Object.values(counts.failures).reduce((sum, count) => sum + count, 0);
    const now = broken.size === 0 ? 'nothing' : [...broken].join(', ');
    say(
      `${Math.round((performance.now() - began) / 1_000)} s: ${counts.answers} answers, ${failed} failed, ${revocations()} revocations, ${total} faults, ${findings['stale grant']} stale grants; broken now: ${now}`,
    );
  }, PROGRESS_MS);
  stack.defer(() => clearInterval(progress));

  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stopped]);
  const working = [
    runFaults({
      world,
      plan: options.faults ? planFaults(seed, seconds, topology, options.only) : [],
      signal,
      onFault,
    }),
    runWriters(
      {
        people: world.people,
        // What makes everything stale at once, and asks about all of it, is no part of what is measured without faults.
        organizations: options.organizations ? world.organizations : [],
        pool,
        publisher,
        auditor,
        lag,
        random: createRandom(seed + 1),
        replicas,
        signal,
        ask: async (replica, pair) => {
          const { outcomes, receivedAt } = await ask(replica, [pair]);
          const [outcome] = outcomes;
          if (outcome?.ok !== true) return null;
          return { receivedAt, shows: sameAnswer(outcome.answer, latest(pair).answer) };
        },
        askAll: ask,
        onChange: (change) => {
          changes.push(change);
          recent.push(change.watched);
          if (recent.length > RECENT) recent.shift();
        },
        onFlip: (ms) => {
          if (!warmingUp()) flips.push(ms);
        },
      },
      options.events,
    ),
    runReaders(
      {
        pairs: world.people.flatMap(({ memberships }) => memberships),
        recent,
        random: createRandom(seed + 2),
        replicas,
        // Many answers where faults are looked for; single calls where the time to the new answer is.
        batches: options.faults,
        ask: async (replica, pairs) => (await ask(replica, pairs)).outcomes.every(({ ok }) => ok),
      },
      () => options.calls * (warmingUp() ? WARM_UP_FACTOR : 1),
      signal,
    ),
  ];
  const all = Promise.all(working);
  all.catch(() => over.abort());
  await delay(seconds * 1_000, undefined, { signal }).catch(() => {});
  over.abort();
  await all;

  const everywhere = (1 << REPLICAS) - 1;
  return {
    seconds,
    seed,
    topology,
    only: options.only,
    withFaults: options.faults,
    counts,
    changes: changes.length,
    changesByEvent: Object.fromEntries(
      [...Map.groupBy(changes, ({ name }) => name)].map(([name, { length }]) => [name, length]),
    ),
    revocations: revocations(),
    revocationsOfCachedGrants: changes.filter((change) => change.revokesCached && change.askedOn === everywhere).length,
    revocationsWhileApart: changes.filter(whileApart).length,
    findings,
    faults,
    flips,
    publishRetries: publisher.retries(),
  };
};
