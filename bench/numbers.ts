/** Medians, percentiles, spreads. */

/** The value below which `share` (0 to 1) of the sorted values lie; NaN of none. */
export const percentile = (sorted: readonly number[] | Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** The median; NaN of none. */
export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (lower + upper) / 2;
};

/** From the smallest to the largest value, over the median: 0.1 is ten percent. */
export const spread = (values: readonly number[]): number =>
  values.length === 0 ? Number.NaN : (Math.max(...values) - Math.min(...values)) / median(values);

/** The percentiles that the picture of latency draws. */
export const PERCENTILES = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999] as const;

/** Latencies of one measurement in microseconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
  /** One for each of {@link PERCENTILES}. */
  readonly curve: readonly number[];
}

/** Sums up latencies, in microseconds, in any order. */
export const latencyOf = (micros: readonly number[]): Latency => {
  const sorted = Float64Array.from(micros).sort();
  return {
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    curve: PERCENTILES.map((share) => percentile(sorted, share)),
  };
};
