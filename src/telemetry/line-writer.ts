/**
 * Writes lines to a descriptor without ever waiting for it or failing: a disk that is full, or a reader that is slow or gone,
 * costs lines and not answers. pino's own destination waits for a full disk in a loop that blocks the process, for good.
 */
import { writeSync } from 'node:fs';

/** What waits at most; lines beyond it are left out. */
const MAX_WAITING_BYTES = 1_048_576;
const RETRY_MS = 100;

export interface LineWriter {
  write(line: string): void;
}

/** @param fd Should not block: that of `process.stdout` does not, where it is a pipe. */
export const createLineWriter = (fd: number): LineWriter => {
  // Written one by one: a pipe takes up to 4 KiB whole or not at all, so that no worker's line breaks into another's.
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let retrying = false;

  const flush = (): void => {
    try {
      for (let line = waiting[0]; line !== undefined; line = waiting[0]) {
        const written = writeSync(fd, line);
        waitingBytes -= written;
        if (written === line.length) waiting.shift();
        else waiting[0] = line.subarray(written);
      }
    } catch {
      if (retrying) return;
      retrying = true;
      setTimeout(() => {
        retrying = false;
        flush();
      }, RETRY_MS).unref();
    }
  };

  return {
    write: (line) => {
      const bytes = Buffer.from(line);
      if (waitingBytes + bytes.length > MAX_WAITING_BYTES) return;
      waiting.push(bytes);
      waitingBytes += bytes.length;
      flush();
    },
  };
};
