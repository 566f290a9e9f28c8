/**
 * The primary process of several workers: starts them, replaces those that die, stops them together. It answers no calls
 * itself; each worker has a memory and an ear for events of its own, and they share the doors' addresses.
 */
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '../telemetry/log.ts';
import { createCollector } from './collector.ts';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './messages.ts';

/** A worker that dies at once would be started again thousands of times a second. */
const RESTART_MS = 1_000;
/** Longer than a worker takes by its own bounds, and shorter than the ten seconds after which Docker kills everything. */
const STOP_MS = 9_000;

const send = (worker: Worker, message: PrimaryMessage): void => {
  // A worker that is dying hears nothing; its exit is seen.
  if (worker.isConnected()) worker.send(message, () => {});
};

/**
 * Runs until `stopping` aborts and every worker has ended.
 * @param replicaKey What the workers sign with where no signing key is configured.
 * @returns The exit code: 1 when a worker could not start at all, since none then can, or had to be killed.
 */
export const runPrimary = async (
  count: number,
  stopping: AbortSignal,
  log: Logger,
  replicaKey: string,
): Promise<number> => {
  if (stopping.aborted) return 0;
  const serving = new Set<number>();
  let addresses: Readonly<Record<string, string>> = {};
  let whole = false;
  let exitCode = 0;
  const ended = Promise.withResolvers<void>();
  const collector = createCollector(send);
  const workers = (): readonly Worker[] =>
    Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);

  const stopAll = (): void => {
    for (const worker of workers()) send(worker, { type: 'assent:stop' });
    if (workers().length === 0) ended.resolve();
    // One whose event loop is stuck hears nothing of it, and the primary would wait for ever.
    setTimeout(() => {
      for (const worker of workers()) {
        exitCode = 1;
        log.error({ worker: worker.id, pid: worker.process.pid }, 'a worker does not stop and is killed');
        worker.process.kill('SIGKILL');
      }
    }, STOP_MS).unref();
  };
  /** The whole serves once all workers did, and from then on while any one does. */
  const review = (): void => {
    const now = whole ? serving.size > 0 : serving.size === count;
    if (now && !whole) log.info({ ...addresses, workers: count }, 'serving');
    whole = now;
    for (const worker of workers()) send(worker, { type: 'assent:whole', serving: whole });
  };
  const onMessage = (worker: Worker, message: unknown): void => {
    if (!isOurs<WorkerMessage>(message)) return;
    if (message.type === 'assent:serving') {
      addresses = message.addresses;
      serving.add(worker.id);
      review();
      return;
    }
    if (message.type === 'assent:started') {
      send(worker, { type: 'assent:key', key: replicaKey });
      return;
    }
    const { id } = message;
    if (message.type === 'assent:told') collector.answered(worker, id, message.metrics);
    else void collector.collect(workers(), count).then((text) => send(worker, { type: 'assent:scraped', id, text }));
  };
  const start = (): void => {
    const worker = cluster.fork();
    worker.on('message', (message: unknown) => onMessage(worker, message));
    worker.once('exit', (code, signal) => {
      collector.ended(worker);
      const hadServed = serving.delete(worker.id);
      if (stopping.aborted || exitCode !== 0) {
        if (workers().length === 0) ended.resolve();
        return;
      }
      if (!hadServed && !whole && code === 1) {
        // It has said why in the log: the policy or the tables cannot be used, by no worker.
        exitCode = 1;
        stopAll();
        return;
      }
      log.error({ worker: worker.id, pid: worker.process.pid, code, signal }, 'a worker died and is replaced');
      review();
      void delay(RESTART_MS, undefined, { signal: stopping }).then(start, () => {});
    });
  };

  stopping.addEventListener('abort', stopAll, { once: true });
  for (let started = 0; started < count; started += 1) start();
  await ended.promise;
  return exitCode;
};
