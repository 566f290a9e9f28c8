/** A worker's side of the primary process. */
import type { ServiceControl } from '../service.ts';
import { METRICS_CONTENT_TYPE, type Metrics } from '../telemetry/metrics.ts';
import { withTimeout } from '../with-timeout.ts';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './messages.ts';

/** Longer than the primary process waits for the other workers. */
const SCRAPE_TIMEOUT_MS = 4_000;

const send = (message: WorkerMessage): void => {
  // A primary that is gone hears nothing; `disconnect` tells of it.
  process.send?.(message, undefined, undefined, () => {});
};

/** Control by the primary: it stops the worker, says whether the whole serves, and collects the metrics of all. */
export const createWorkerControl = (metrics: Metrics): ServiceControl => {
  const stopping = new AbortController();
  const scrapes = new Map<number, (text: string) => void>();
  const replicaKey = Promise.withResolvers<string>();
  let lastScrape = 0;
  let onWhole = (_serving: boolean): void => {};
  const tell = (id: number): void => {
    void metrics.snapshot().then((snapshot) => send({ type: 'assent:told', id, metrics: snapshot }));
  };

  // Signals of a terminal reach every process of the group; the primary decides for all.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  // Without a primary nobody would stop or replace this worker.
  process.on('disconnect', () => stopping.abort());
  process.on('message', (message: unknown) => {
    if (!isOurs<PrimaryMessage>(message)) return;
    if (message.type === 'assent:stop') stopping.abort();
    else if (message.type === 'assent:key') replicaKey.resolve(message.key);
    else if (message.type === 'assent:whole') onWhole(message.serving);
    else if (message.type === 'assent:tell') tell(message.id);
    else scrapes.get(message.id)?.(message.text);
  });
  send({ type: 'assent:started' });

  return {
    stopping: stopping.signal,
    replicaKey: replicaKey.promise,
    serving: (addresses, setServing) => {
      onWhole = setServing;
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
};
