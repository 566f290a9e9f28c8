import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { onTestFinished } from 'vitest';

const CHANNEL = 'http.server.request.start';

/**
 * Counts the requests of HTTP/1.1 that Node parses from now on, answered or not.
 * @returns Their number so far.
 */
export function parsedRequests(): () => number {
  let count = 0;
  const add = (): void => {
    count += 1;
  };
  subscribe(CHANNEL, add);
  onTestFinished(() => void unsubscribe(CHANNEL, add));
  return () => count;
}
