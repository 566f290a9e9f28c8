/** A worker's side of the primary process. */
import type { ServiceControl } from '../service.ts';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './messages.ts';

const SCRAPE_TIMEOUT_MS = 6_000;

const send = (message: WorkerMessage): void => {
  process.send?.(message);
};

/** Control by the primary: it stops the worker, says whether the whole serves, and collects the metrics of all. */
export const createWorkerControl = (contentType: string): ServiceControl => {
  const stopping = new AbortController();
  const scrapes = new Map<number, (text: string | null) => void>();
  let lastScrape = 0;
  let onWhole = (_serving: boolean): void => {};

  // Signals of a terminal reach every process of the group; the primary decides for all.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  // Without a primary nobody would stop or replace this worker.
  process.on('disconnect', () => stopping.abort());
  process.on('message', (message: unknown) => {
    if (!isOurs<PrimaryMessage>(message)) return;
    if (message.type === 'assent:stop') stopping.abort();
    else if (message.type === 'assent:whole') onWhole(message.serving);
    else scrapes.get(message.id)?.(message.text);
  });

  return {
    stopping: stopping.signal,
    serving: (addresses, setServing) => {
      onWhole = setServing;
      send({ type: 'assent:serving', addresses });
    },
    scrape: () =>
      new Promise((resolve, reject) => {
        lastScrape += 1;
        const id = lastScrape;
        const timer = setTimeout(() => scrapes.get(id)?.(null), SCRAPE_TIMEOUT_MS);
        scrapes.set(id, (text) => {
          clearTimeout(timer);
          scrapes.delete(id);
          if (text === null) reject(new Error('the metrics of the workers could not be collected'));
          else resolve({ text, contentType });
        });
        send({ type: 'assent:scrape', id });
      }),
  };
};
