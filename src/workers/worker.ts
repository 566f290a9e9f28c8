/** The worker's side of the channel to the primary process. */
import type { ServiceControl } from '../service.ts';
import { METRICS_CONTENT_TYPE, type Metrics } from '../telemetry/metrics.ts';
import { withTimeout } from '../with-timeout.ts';
import { isAssentMessage, type PrimaryMessage, type WorkerMessage } from './messages.ts';

/** Longer than the primary process waits for the other workers. */
const SCRAPE_TIMEOUT_MS = 4_000;

/** Control by the primary process: it stops the worker, sets its health, and collects the metrics of all workers. */
export function createWorkerControl(metrics: Metrics): ServiceControl {
  const stopping = new AbortController();
  const scrapes = new Map<number, (text: string) => void>();
  const replicaKey = Promise.withResolvers<string>();
  let lastScrape = 0;
  let reload = (): void => {};
  let setHealth = (_serving: boolean): void => {};

  // The signals of a terminal reach every process of the group; the primary process decides for all.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGUSR2', () => {});
  // Without a primary process there is nothing that stops or replaces this worker.
  process.on('disconnect', () => stopping.abort());
  process.on('message', (message: unknown) => {
    if (!isAssentMessage<PrimaryMessage>(message)) return;
    switch (message.type) {
      case 'assent:stop':
        stopping.abort();
        break;
      case 'assent:reload':
        reload();
        break;
      case 'assent:key':
        replicaKey.resolve(message.key);
        break;
      case 'assent:health':
        setHealth(message.serving);
        break;
      case 'assent:collect': {
        const { id } = message;
        void metrics.snapshot().then((snapshot) => send({ type: 'assent:collected', id, metrics: snapshot }));
        break;
      }
      case 'assent:scraped':
        scrapes.get(message.id)?.(message.text);
    }
  });
  send({ type: 'assent:started' });

  return {
    stopping: stopping.signal,
    onReload: (listener) => {
      reload = listener;
    },
    replicaKey: replicaKey.promise,
    serving: (addresses, setServing) => {
      setHealth = setServing;
      send({ type: 'assent:serving', addresses });
    },
    scrape: async () => {
      lastScrape += 1;
      const id = lastScrape;
      const { promise, resolve } = Promise.withResolvers<string>();
      scrapes.set(id, resolve);
      send({ type: 'assent:scrape', id });
      try {
        const late = () => new Error('the primary process does not answer');
        return { text: await withTimeout(SCRAPE_TIMEOUT_MS, promise, late), contentType: METRICS_CONTENT_TYPE };
      } finally {
        scrapes.delete(id);
      }
    },
  };
}

function send(message: WorkerMessage): void {
  // A primary process that is gone receives nothing; the event `disconnect` follows.
  process.send?.(message, undefined, undefined, () => {});
}
