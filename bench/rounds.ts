/** Rounds over all rows: A B C A B C, so that what changes in the machine over time changes them all. */
import { median, PERCENTILES, spread } from './numbers.ts';
import { type Row, RowUnavailable, type Sample } from './row.ts';

/** The medians of a row. */
export interface RowResult {
  readonly name: string;
  readonly title: string;
  readonly decisions: number;
  /** As in {@link Row}. */
  readonly callers?: number;
  /** Null when there were errors: a rate of answers that were none says nothing. */
  readonly rps: number | null;
  readonly cpuMicros: number | null;
  /** Of the open loop at {@link openRps}; of single calls where there is no server. */
  readonly p50Micros: number | null;
  readonly p99Micros: number | null;
  readonly openRps: number | null;
  /** Over all rounds. */
  readonly errors: number;
  /** Of the requests a second over the rounds: (largest - smallest) / median. */
  readonly spread: number | null;
  /** The same of the CPU a request. */
  readonly cpuSpread: number | null;
  /** Medians of the latency in microseconds by the percentiles of numbers.ts. */
  readonly latencyCurve: readonly number[];
  readonly rounds: readonly { readonly rps: number; readonly cpuMicros: number; readonly p99Micros: number | null }[];
}

/** A row that could not be measured, and why. */
export interface LeftOut {
  readonly name: string;
  readonly title: string;
  readonly why: string;
}

const summarize = (row: Row, samples: readonly Sample[]): RowResult => {
  const errors = samples.reduce((sum, sample) => sum + sample.errors, 0);
  const latencies = samples.flatMap(({ latency }) => (latency === null ? [] : [latency]));
  const rps = samples.map((sample) => sample.rps);
  const cpu = samples.map((sample) => sample.cpuMicros);
  const usable = errors === 0;
  return {
    name: row.name,
    title: row.title,
    decisions: row.decisions,
    ...(row.callers === undefined ? {} : { callers: row.callers }),
    rps: usable ? median(rps) : null,
    cpuMicros: usable ? median(cpu) : null,
    p50Micros: usable && latencies.length > 0 ? median(latencies.map(({ p50 }) => p50)) : null,
    p99Micros: usable && latencies.length > 0 ? median(latencies.map(({ p99 }) => p99)) : null,
    openRps: row.openRps,
    errors,
    spread: usable ? spread(rps) : null,
    cpuSpread: usable ? spread(cpu) : null,
    latencyCurve:
      usable && latencies.length > 0
        ? PERCENTILES.map((_, index) => median(latencies.map(({ curve }) => curve[index] ?? Number.NaN)))
        : [],
    rounds: samples.map((sample) => ({
      rps: sample.rps,
      cpuMicros: sample.cpuMicros,
      p99Micros: sample.latency?.p99 ?? null,
    })),
  };
};

/** Starts every row, then measures them in turn. A row that fails is left out and named. */
export const runRounds = async (
  rows: readonly Row[],
  rounds: number,
  say: (line: string) => void,
): Promise<{ readonly results: readonly RowResult[]; readonly leftOut: readonly LeftOut[] }> => {
  const samples = new Map<Row, Sample[]>();
  const leftOut: LeftOut[] = [];
  const leaveOut = (row: Row, error: unknown): void => {
    samples.delete(row);
    const why = error instanceof Error ? error.message : String(error);
    leftOut.push({ name: row.name, title: row.title, why: (why.split('\n')[0] ?? '').slice(0, 200) });
    say(`${row.name}: left out: ${why}`);
    if (!(error instanceof RowUnavailable)) process.exitCode = 1;
  };
  for (const [index, row] of rows.entries()) {
    say(`warming up ${index + 1}/${rows.length}: ${row.name}`);
    try {
      await row.start();
      samples.set(row, []);
    } catch (error) {
      leaveOut(row, error);
    }
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const [row, taken] of samples) {
      say(`round ${round}/${rounds}: ${row.name}`);
      try {
        taken.push(await row.measure());
      } catch (error) {
        leaveOut(row, error);
      }
    }
  }
  return { results: [...samples].map(([row, taken]) => summarize(row, taken)), leftOut };
};
