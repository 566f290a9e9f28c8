/** The line of reads in simulated time: calls come, PostgreSQL answers, callers leave at their deadlines. */
import type { LineEffect, LineOptions, WaitingRead } from '../../../src/admission/line.ts';

/** The module under test, from the repository or from a copy of it that was changed. */
export interface LineModule {
  readonly Line: typeof import('../../../src/admission/line.ts').Line;
}

/** A call that comes at a moment, in milliseconds from the start. */
export interface Arrival {
  readonly at: number;
  readonly share: string;
  /** How long its caller waits, in milliseconds; Infinity for a call without a deadline. */
  readonly patience: number;
  /** The number of its reads. */
  readonly reads: number;
}

export interface Scenario {
  readonly line: LineOptions;
  readonly arrivals: readonly Arrival[];
  /** The end of the simulation, in milliseconds. */
  readonly until: number;
  /** How long PostgreSQL takes for a read that begins at `at`, in milliseconds. */
  readonly takes: (at: number) => number;
  /** Whether a read that begins at `at` fails in the end; no read does by default. */
  readonly fails?: (at: number) => boolean;
}

/** One read and its end. */
export interface ReadOutcome {
  readonly arrival: Arrival;
  readonly cameAt: number;
  beganAt: number | null;
  endedAt: number | null;
  /** `answered` and `late`: PostgreSQL answered before and after the caller had left. */
  end: 'answered' | 'failed' | 'late' | 'left' | 'overload' | 'stalled' | null;
}

export interface SimulationResult {
  readonly reads: readonly ReadOutcome[];
  /** The largest number of reads that waited at a time. */
  readonly longest: number;
}

const SWEEP_MS = 25;

/**
 * Runs a scenario in steps of a millisecond.
 * @throws when the line leaves a connection free while reads wait, or begins more reads than there are connections.
 */
export function simulate(
  { Line }: LineModule,
  { line: options, arrivals, until, takes, fails = () => false }: Scenario,
): SimulationResult {
  const line = new Line<ReadOutcome>(options);
  const outcomes: ReadOutcome[] = [];
  const running = new Map<WaitingRead<ReadOutcome>, number>();
  const waiting = new Map<WaitingRead<ReadOutcome>, number>();
  const coming = arrivals.toSorted((one, other) => one.at - other.at);
  let longest = 0;
  let next = 0;

  for (let now = 0; now <= until; now += 1) {
    for (const [read, endsAt] of running) {
      if (endsAt > now) continue;
      running.delete(read);
      const { task } = read;
      task.endedAt = now;
      const failed = fails(task.beganAt ?? now);
      task.end = failed ? 'failed' : now <= task.cameAt + task.arrival.patience ? 'answered' : 'late';
      perform(line.end(failed ? 'failed' : 'answered', now), now);
    }
    for (const [read, deadline] of waiting) if (deadline <= now) left(read, now);
    for (let arrival = coming[next]; arrival !== undefined && arrival.at <= now; arrival = coming[next]) {
      next += 1;
      come(arrival, now);
    }
    if (now % SWEEP_MS === 0) perform(line.sweep(now), now);
    longest = Math.max(longest, line.waiting);
    check();
  }
  return { reads: outcomes, longest };

  function come(arrival: Arrival, now: number): void {
    const call = { name: arrival.share };
    for (let count = 0; count < arrival.reads; count += 1) {
      const outcome: ReadOutcome = { arrival, cameAt: now, beganAt: null, endedAt: null, end: null };
      outcomes.push(outcome);
      const { read, effects } = line.enter(outcome, [call], now);
      waiting.set(read, now + arrival.patience);
      perform(effects, now);
    }
  }

  function left(read: WaitingRead<ReadOutcome>, now: number): void {
    line.leave(read);
    waiting.delete(read);
    read.task.end = 'left';
    read.task.endedAt = now;
  }

  function perform(effects: readonly LineEffect<ReadOutcome>[], now: number): void {
    for (const { read, ...effect } of effects) {
      const { task } = read;
      if (!waiting.delete(read)) throw new Error('a read has two turns, or none');
      if (effect.kind === 'refuse') {
        task.end = effect.reason;
        task.endedAt = now;
        continue;
      }
      task.beganAt = now;
      running.set(read, now + takes(now));
    }
  }

  function check(): void {
    if (running.size > options.connections) throw new Error('more reads run than there are connections');
    if (running.size !== line.running || waiting.size !== line.waiting) throw new Error('the line has lost a read');
    if (running.size < options.connections && waiting.size > 0)
      throw new Error('a connection is free while reads wait');
  }
}

/** Calls with one read each, `perSecond` of them at even distances. */
export function steady(options: {
  readonly from: number;
  readonly to: number;
  readonly perSecond: number;
  readonly patience: number;
  readonly share?: string;
}): readonly Arrival[] {
  const { from, to, perSecond, patience, share = 'a' } = options;
  const count = Math.round(((to - from) * perSecond) / 1_000);
  return Array.from({ length: count }, (_, index) => {
    return { at: from + Math.floor((index * 1_000) / perSecond), share, patience, reads: 1 };
  });
}

/** The value below which this part of the values lies; NaN without values. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}
