/** The metrics of several workers as those of one service. Who asks the workers is the primary process. */
import { AggregatorRegistry, Gauge } from 'prom-client';
import type { MetricsSnapshot } from './metrics.ts';

export interface WorkerMetrics {
  /** Takes what a worker answered. */
  take(worker: number, snapshot: MetricsSnapshot): void;
  /**
   * Takes leave of a worker. What it had counted stays in the sums, since Prometheus takes a sum that falls for a restart; all
   * that have ended are kept as one, however many die.
   */
  ended(worker: number): void;
  /**
   * Prometheus' text.
   * @param answered The workers that answered just now. What others counted is as they last told; their gauges are left out.
   * @param count How many workers there should be.
   */
  text(answered: ReadonlySet<number>, count: number): Promise<string>;
}

/** Counters and histograms: what only grows. prom-client's types say that `type` is a number; it is a word. */
const counts = (snapshot: MetricsSnapshot): MetricsSnapshot =>
  snapshot.filter(({ type }: { readonly type: unknown }) => type === 'counter' || type === 'histogram');

/** Creates the sums of a service whose workers have not answered yet. */
export const createWorkerMetrics = (): WorkerMetrics => {
  const told = new Map<number, MetricsSnapshot>();
  let ofEnded: readonly object[] = [];
  return {
    take: (worker, snapshot) => {
      told.set(worker, snapshot);
    },
    ended: (worker) => {
      const last = told.get(worker);
      if (last === undefined) return;
      told.delete(worker);
      ofEnded = AggregatorRegistry.aggregate([ofEnded, counts(last)]).getMetricsAsArray();
    },
    text: (answered, count) => {
      const ofLiving = [...told].map(([worker, snapshot]) => (answered.has(worker) ? snapshot : counts(snapshot)));
      const registry = AggregatorRegistry.aggregate<'text/plain; version=0.0.4; charset=utf-8'>([...ofLiving, ofEnded]);
      const workers = new Gauge({
        name: 'assent_workers',
        help: 'Worker processes by whether they answered this scrape: answering, silent.',
        labelNames: ['state'],
        registers: [registry],
      });
      workers.set({ state: 'answering' }, answered.size);
      workers.set({ state: 'silent' }, Math.max(0, count - answered.size));
      return registry.metrics();
    },
  };
};
