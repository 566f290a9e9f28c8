/** Asks the workers for their metrics, and does not wait for one that does not answer. */
import type { Worker } from 'node:cluster';
import type { MetricsSnapshot } from '../telemetry/metrics.ts';
import { createWorkerMetrics } from '../telemetry/worker-metrics.ts';
import type { PrimaryMessage } from './messages.ts';

/** Prometheus itself waits for ten seconds; a worker that has work to do answers within milliseconds. */
const ANSWER_MS = 2_000;

export interface Collector {
  /**
   * The metrics of all workers together.
   * @param count How many there should be.
   */
  collect(workers: readonly Worker[], count: number): Promise<string>;
  /** Takes a worker's answer. */
  answered(worker: Worker, id: number, snapshot: MetricsSnapshot): void;
  /** Says that a worker is gone. */
  ended(worker: Worker): void;
}

/** @param send Sends a worker a message; one that cannot be told counts as one that does not answer. */
export const createCollector = (send: (worker: Worker, message: PrimaryMessage) => void): Collector => {
  const metrics = createWorkerMetrics();
  const waiting = new Map<number, (answered: boolean) => void>();
  let lastQuestion = 0;

  const ask = (worker: Worker): Promise<boolean> =>
    new Promise((resolve) => {
      lastQuestion += 1;
      const id = lastQuestion;
      const settle = (answered: boolean): void => {
        clearTimeout(timer);
        waiting.delete(id);
        resolve(answered);
      };
      const timer = setTimeout(settle, ANSWER_MS, false);
      waiting.set(id, settle);
      send(worker, { type: 'assent:tell', id });
    });

  return {
    collect: async (workers, count) => {
      const answers = await Promise.all(workers.map(async (worker) => ((await ask(worker)) ? [worker.id] : [])));
      return metrics.text(new Set(answers.flat()), count);
    },
    answered: (worker, id, snapshot) => {
      // What it wrote last may be read after its end, when its counts are in the sums already.
      if (worker.isDead()) return;
      metrics.take(worker.id, snapshot);
      waiting.get(id)?.(true);
    },
    ended: (worker) => metrics.ended(worker.id),
  };
};
