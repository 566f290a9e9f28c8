/** The metrics of several workers as those of one service. The primary process collects them (`src/workers/collector.ts`). */
import { AggregatorRegistry, Gauge } from 'prom-client';
import type { MetricsSnapshot } from './metrics.ts';

/**
 * prom-client's own `clusterMetrics()` loses the counts of a worker that dies
 * (https://github.com/prometheus/client_js/issues/385), and one stuck worker fails the scrape.
 */
export interface WorkerMetrics {
  /** Takes the answer of a worker. */
  take(worker: number, snapshot: MetricsSnapshot): void;
  /**
   * Removes a worker. Its counts stay in the sums, because Prometheus takes a sum that falls for a restart. The counts of all
   * ended workers are kept as one sum.
   */
  ended(worker: number): void;
  /**
   * Prometheus' text.
   * @param answered The workers that answered this scrape. The others contribute their last counters, and no gauges.
   * @param count The configured number of workers.
   */
  text(answered: ReadonlySet<number>, count: number): Promise<string>;
}

/** Creates the sums of a service without answers yet. */
export function createWorkerMetrics(): WorkerMetrics {
  const snapshots = new Map<number, MetricsSnapshot>();
  let ofEnded: readonly object[] = [];
  return {
    take: (worker, snapshot) => {
      snapshots.set(worker, snapshot);
    },
    ended: (worker) => {
      const last = snapshots.get(worker);
      if (last === undefined) return;
      snapshots.delete(worker);
      ofEnded = AggregatorRegistry.aggregate([ofEnded, counts(last)]).getMetricsAsArray();
    },
    text: (answered, count) => {
      const ofLiving = [...snapshots].map(([worker, snapshot]) => (answered.has(worker) ? snapshot : counts(snapshot)));
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
}

/** Counters and histograms, which only grow. prom-client's types declare `type` as a number; it is a word. */
function counts(snapshot: MetricsSnapshot): MetricsSnapshot {
  return snapshot.filter(({ type }: { readonly type: unknown }) => type === 'counter' || type === 'histogram');
}
