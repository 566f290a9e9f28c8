/** Takes every reply in: counts it, has it audited, and says why calls failed. */
import { Code } from '../src/rpc/status.ts';
import type { Auditor } from './auditor.ts';
import type { Outcome, Reply, SourceName } from './client.ts';
import type { FaultLog } from './fault-log.ts';
import type { Pair } from './history.ts';
import type { LagWatch } from './lag.ts';

/** What was broken when a call failed; `none` when neither the replica nor PostgreSQL was, and Redis and NATS may have been. */
export type Cause = 'replica' | 'postgres' | 'none';

export interface Counts {
  calls: number;
  /** Answers with status OK. */
  answers: number;
  readonly bySource: Record<SourceName, number>;
  /** Failed checks by the name of the status. */
  readonly failures: Record<string, number>;
  /** Failed checks by the broken part, without the checks that were shed (RESOURCE_EXHAUSTED). */
  readonly failuresByCause: Record<Cause, number>;
  /** Answers whose replica had not applied an event in time. */
  late: number;
  latestMs: number;
}

export interface SurveyOptions {
  readonly auditor: Auditor;
  readonly lag: LagWatch;
  readonly faults: FaultLog;
  /** A check failed though neither PostgreSQL nor the replica was broken. */
  readonly onUnexplained: (text: string) => void;
}

export interface Survey {
  readonly counts: Counts;
  take(replica: number, pairs: readonly Pair[], reply: Reply): void;
}

/** After a fault a connection is made again, and statements sent before still run into their timeouts. */
const SETTLE_MS = 5_000;

const NAMES: ReadonlyMap<number, string> = new Map<number, string>([
  ...Object.entries(Code).map(([name, code]) => [code, name] as const),
  [2, 'UNKNOWN'],
]);

/** Creates a survey that has taken nothing. */
export const createSurvey = ({ auditor, lag, faults, onUnexplained }: SurveyOptions): Survey => {
  const counts: Counts = {
    calls: 0,
    answers: 0,
    bySource: { memory: 0, redis: 0, database: 0 },
    failures: {},
    failuresByCause: { replica: 0, postgres: 0, none: 0 },
    late: 0,
    latestMs: 0,
  };
  const causeOf = (replica: number, sentAt: number): Cause => {
    if (faults.broken('replica', replica, sentAt, SETTLE_MS)) return 'replica';
    return faults.broken('postgres', replica, sentAt, SETTLE_MS) ? 'postgres' : 'none';
  };
  const failed = (outcome: Outcome & { ok: false }, replica: number, { sentAt, receivedAt }: Reply): void => {
    const { code, detail } = outcome;
    const name = NAMES.get(code) ?? String(code);
    counts.failures[name] = (counts.failures[name] ?? 0) + 1;
    if (code === Code.RESOURCE_EXHAUSTED) return;
    const cause = causeOf(replica, sentAt);
    counts.failuresByCause[cause] += 1;
    if (cause === 'none')
      onUnexplained(`replica ${replica}: ${name} after ${Math.round(receivedAt - sentAt)} ms: ${detail}`);
  };

  return {
    counts,
    take: (replica, pairs, reply) => {
      const { sentAt, receivedAt, revision, outcomes } = reply;
      counts.calls += 1;
      let answered = false;
      for (const [index, outcome] of outcomes.entries()) {
        const pair = pairs[index];
        if (pair === undefined) throw new Error('more answers than questions');
        if (!outcome.ok) {
          failed(outcome, replica, reply);
          continue;
        }
        answered = true;
        counts.answers += 1;
        counts.bySource[outcome.source] += 1;
        const fromCache = outcome.source !== 'database';
        auditor.observe({ pair, replica, sentAt, receivedAt, revision, answer: outcome.answer, fromCache });
      }
      const late = answered ? lag.late(replica, sentAt, revision) : null;
      if (late === null) return;
      counts.late += 1;
      counts.latestMs = Math.max(counts.latestMs, late);
    },
  };
};
