/** Collects the metrics of the workers, without waiting long for a worker that does not answer. */
import type { Worker } from 'node:cluster';
import type { MetricsSnapshot } from '../telemetry/metrics.ts';
import { createWorkerMetrics } from '../telemetry/worker-metrics.ts';
import type { PrimaryMessage } from './messages.ts';

/** Prometheus waits for ten seconds; a busy worker answers within milliseconds. */
const ANSWER_MS = 2_000;

export interface Collector {
  /**
   * The metrics of all workers together, in Prometheus' text format.
   * @param count The configured number of workers.
   */
  collect(workers: readonly Worker[], count: number): Promise<string>;
  /** Takes the answer of a worker. */
  answered(worker: Worker, id: number, snapshot: MetricsSnapshot): void;
  /** Keeps the counts of a worker that has ended. */
  ended(worker: Worker): void;
}

/** @param send Sends a message to a worker. A worker that cannot receive it counts as one that does not answer. */
export function createCollector(send: (worker: Worker, message: PrimaryMessage) => void): Collector {
  const metrics = createWorkerMetrics();
  const waiting = new Map<number, (answered: boolean) => void>();
  let lastRequest = 0;

  function request(worker: Worker): Promise<boolean> {
    return new Promise((resolve) => {
      lastRequest += 1;
      const id = lastRequest;
      const settle = (answered: boolean): void => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(answered);
      };
      const timer = setTimeout(settle, ANSWER_MS, false);
      waiting.set(id, settle);
      send(worker, { type: 'assent:collect', id });
    });
  }

  return {
    collect: async (workers, count) => {
      const answers = await Promise.all(workers.map(async (worker) => ((await request(worker)) ? [worker.id] : [])));
      return metrics.text(new Set(answers.flat()), count);
    },
    answered: (worker, id, snapshot) => {
      // The last message of a worker may arrive after its end, when the sums already hold its counts.
      if (worker.isDead()) return;
      metrics.take(worker.id, snapshot);
      waiting.get(id)?.(true);
    },
    ended: (worker) => metrics.ended(worker.id),
  };
}
