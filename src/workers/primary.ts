/**
 * The primary process of several workers: starts them, replaces a worker that dies, and stops them together. It answers no
 * calls itself. Each worker has its own cache and event subscription; all workers share the addresses of the servers.
 */
import cluster, { type Worker } from 'node:cluster';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReloadSignal } from '../reload-signal.ts';
import type { Logger } from '../telemetry/log.ts';
import { shareScrapes } from '../telemetry/shared-scrape.ts';
import { createCollector } from './collector.ts';
import { isAssentMessage, type PrimaryMessage, type WorkerMessage } from './messages.ts';

/** Without a pause, a worker that dies at once would start thousands of times a second. */
const RESTART_MS = 1_000;
/**
 * Longer than a worker takes by its own bounds after its lame-duck time. With the default of one second the sum is shorter than
 * the ten seconds after which Docker kills the container.
 */
const STOP_MS = 8_000;

/**
 * Runs until `stopping` aborts and every worker has ended.
 * @param lameDuckMs The time for which workers still take calls after `stopping`.
 * @param reload SIGHUP, which is passed on to the workers.
 * @param replicaKey The workers sign with it when no signing key is configured.
 * @returns The exit code: 1 when a worker could not start at all, since then none can, or when a worker was killed.
 */
export async function runPrimary(
  { count, lameDuckMs }: { readonly count: number; readonly lameDuckMs: number },
  stopping: AbortSignal,
  reload: ReloadSignal,
  log: Logger,
  replicaKey: string,
): Promise<number> {
  if (stopping.aborted) return 0;
  const serving = new Set<number>();
  let addresses: Readonly<Record<string, string>> = {};
  let allServe = false;
  let exitCode = 0;
  const ended = Promise.withResolvers<void>();
  const collector = createCollector(send);
  const collect = shareScrapes(() => collector.collect(workers(), count));

  reload.onReload(() => {
    for (const worker of workers()) send(worker, { type: 'assent:reload' });
  });
  stopping.addEventListener('abort', stopAll, { once: true });
  for (let started = 0; started < count; started += 1) start();
  await ended.promise;
  return exitCode;

  function start(): void {
    const worker = cluster.fork();
    worker.on('message', (message: unknown) => onMessage(worker, message));
    worker.once('exit', (code, signal) => onExit(worker, code, signal));
  }

  function onMessage(worker: Worker, message: unknown): void {
    if (!isAssentMessage<WorkerMessage>(message)) return;
    switch (message.type) {
      case 'assent:started':
        send(worker, { type: 'assent:key', key: replicaKey });
        break;
      case 'assent:serving':
        addresses = message.addresses;
        serving.add(worker.id);
        updateHealth();
        break;
      case 'assent:collected':
        collector.answered(worker, message.id, message.metrics);
        break;
      case 'assent:scrape': {
        const { id } = message;
        void collect().then((text) => send(worker, { type: 'assent:scraped', id, text }));
      }
    }
  }

  function onExit(worker: Worker, code: number, signal: string): void {
    collector.ended(worker);
    const hadServed = serving.delete(worker.id);
    if (stopping.aborted || exitCode !== 0) {
      if (workers().length === 0) ended.resolve();
      return;
    }
    if (!hadServed && !allServe && code === 1) {
      // The worker has logged the reason: the policy or the tables cannot be used by any worker.
      exitCode = 1;
      stopAll();
      return;
    }
    log.error(
      { event: 'workers.worker_died', worker: worker.id, pid: worker.process.pid, code, signal },
      'a worker died and is replaced',
    );
    updateHealth();
    void delay(RESTART_MS, undefined, { signal: stopping }).then(start, () => {});
  }

  /** The service serves once all workers did, and from then on while at least one does. */
  function updateHealth(): void {
    const now = allServe ? serving.size > 0 : serving.size === count;
    if (now && !allServe) log.info({ event: 'service.serving', ...addresses, workers: count }, 'serving');
    allServe = now;
    for (const worker of workers()) send(worker, { type: 'assent:health', serving: allServe });
  }

  function stopAll(): void {
    for (const worker of workers()) send(worker, { type: 'assent:stop' });
    if (workers().length === 0) ended.resolve();
    // A worker with a stuck event loop never reads the message, and the primary would wait for ever.
    setTimeout(() => {
      for (const worker of workers()) {
        exitCode = 1;
        log.error(
          { event: 'workers.worker_killed', worker: worker.id, pid: worker.process.pid },
          'a worker does not stop and is killed',
        );
        worker.process.kill('SIGKILL');
      }
    }, lameDuckMs + STOP_MS).unref();
  }
}

/** The workers that run. Node keeps a dead worker in its list until the channel to the worker has ended, too. */
function workers(): readonly Worker[] {
  return Object.values(cluster.workers ?? {}).filter((worker): worker is Worker => worker?.isDead() === false);
}

function send(worker: Worker, message: PrimaryMessage): void {
  // A dying worker receives no message; its exit event follows.
  if (worker.isConnected()) worker.send(message, () => {});
}
