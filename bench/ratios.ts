/** The figures to reach, from the medians of one run. */
import type { RowResult } from './rounds.ts';

export interface Ratio {
  readonly name: string;
  readonly title: string;
  /** Null when a row that it needs was not measured. */
  readonly value: number | null;
  readonly bound: 'at most' | 'at least';
  readonly limit: number;
  readonly reached: boolean | null;
}

/** What is measured once and not in rounds. */
export interface Extras {
  /** Start of the process to SERVING with all services up, in seconds. */
  readonly startSeconds: number | null;
  /** Resident memory with a million entries in memory, in megabytes. */
  readonly millionEntriesMegabytes: number | null;
}

const KITS = [
  { kit: 'ts', language: 'TypeScript', library: 'grpc-js', cpuLimit: 1.15 },
  { kit: 'go', language: 'Go', library: 'grpc-go', cpuLimit: 1.1 },
] as const;

/** Compares. Differences are in microseconds of CPU. */
export const compare = (results: readonly RowResult[], extras: Extras): readonly Ratio[] => {
  const rows = new Map(results.map((row) => [row.name, row]));
  const cpu = (name: string): number => rows.get(name)?.cpuMicros ?? Number.NaN;
  const rps = (name: string): number => rows.get(name)?.rps ?? Number.NaN;
  const p50 = (name: string): number => rows.get(name)?.p50Micros ?? Number.NaN;
  const p99 = (name: string): number => rows.get(name)?.p99Micros ?? Number.NaN;
  const entry = (name: string, title: string, value: number, bound: Ratio['bound'], limit: number): Ratio => {
    const known = Number.isFinite(value);
    const reached = bound === 'at most' ? value <= limit : value >= limit;
    return { name, title, value: known ? value : null, bound, limit, reached: known ? reached : null };
  };
  const memory = 'assent/check/memory';
  const echo = 'baseline/grpc-js';
  const verify = (algorithm: string): number =>
    cpu(`assent/verify/${algorithm}`) - cpu(echo) - 1.2 * cpu(`in-process/jose/${algorithm}`);
  return [
    entry('memoryOverGrpcJs', 'hit in memory - bare grpc-js echo, CPU us', cpu(memory) - cpu(echo), 'at most', 6),
    entry(
      'memoryOverHttp2',
      'hit in memory / bare http2 echo, CPU',
      cpu(memory) / cpu('baseline/http2'),
      'at most',
      1.35,
    ),
    entry('cerbosCpu', 'Cerbos / hit in memory, CPU', cpu('peer/cerbos') / cpu(memory), 'at least', 5),
    entry('cerbosRps', 'hit in memory / Cerbos, requests a second', rps(memory) / rps('peer/cerbos'), 'at least', 5),
    entry('p99OverCerbos', 'hit in memory / Cerbos, p99 at 2,000/s', p99(memory) / p99('peer/cerbos'), 'at most', 1),
    entry(
      'p99OverGrpcJs',
      'hit in memory / bare grpc-js echo, p99 at 2,000/s',
      p99(memory) / p99(echo),
      'at most',
      1.5,
    ),
    entry('batch100', 'batch of 100, CPU us a decision', cpu('assent/batch/100') / 100, 'at most', 3.5),
    entry('verifyHs256', 'VerifyToken HS256 - echo - 1.2 x jose, CPU us', verify('hs256'), 'at most', 4),
    entry('verifyEdDsa', 'VerifyToken EdDSA - echo - 1.2 x jose, CPU us', verify('eddsa'), 'at most', 4),
    entry(
      'redisOverGet',
      'hit in Redis - bare grpc-js with one GET, CPU us',
      cpu('assent/check/redis') - cpu('baseline/grpc-js/redis-get'),
      'at most',
      15,
    ),
    entry('startSeconds', 'start to SERVING, s', extras.startSeconds ?? Number.NaN, 'at most', 1),
    entry(
      'millionEntries',
      'resident memory with a million entries, MB',
      extras.millionEntriesMegabytes ?? Number.NaN,
      'at most',
      400,
    ),
    ...KITS.flatMap(({ kit, language, library, cpuLimit }) => {
      const check = `kit/${kit}/check`;
      const many = `kit/${kit}/64`;
      const title = `kit for ${language}`;
      return [
        entry(
          `${kit}KitCpu`,
          `${title} / bare ${library}, CPU`,
          cpu(check) / cpu(`${library}/bare`),
          'at most',
          cpuLimit,
        ),
        entry(
          `${kit}KitCpu64`,
          `${title} unbatched / bare ${library}, CPU with 64 callers`,
          cpu(`${many}/unbatched`) / cpu(`${library}/bare/64`),
          'at most',
          cpuLimit,
        ),
        entry(
          `${kit}KitBatching`,
          `${title}, batched / unbatched, decisions a second with 64 callers`,
          rps(many) / rps(`${many}/unbatched`),
          'at least',
          4,
        ),
        entry(
          `${kit}KitP50`,
          `${title}, one caller, batching on / off, p50`,
          p50(check) / p50(`${check}/unbatched`),
          'at most',
          1.05,
        ),
        entry(
          `${kit}KitP99`,
          `${title}, one caller, batching on / off, p99`,
          p99(check) / p99(`${check}/unbatched`),
          'at most',
          1.5,
        ),
      ];
    }),
  ];
};
