import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { onTestFinished } from 'vitest';

/** Node's channel of requests of HTTP/1.1 that a server begins to answer. */
const CHANNEL = 'http.server.request.start';

/** Counts requests of HTTP/1.1 from now on: all of them, and the most of one turn of the event loop. */
export function takenInOneTurn(): () => { readonly most: number; readonly all: number } {
  let [now, most, all] = [0, 0, 0];
  const count = (): void => {
    if (now === 0) {
      setImmediate(() => {
        now = 0;
      });
    }
    now += 1;
    all += 1;
    most = Math.max(most, now);
  };
  subscribe(CHANNEL, count);
  onTestFinished(() => void unsubscribe(CHANNEL, count));
  return () => ({ most, all });
}
