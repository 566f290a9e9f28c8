/**
 * Writes lines to a descriptor without waiting and without errors: a full disk, or a slow or closed reader, loses lines, and
 * calls go on. pino's own destination, sonic-boom, sleeps and retries in a loop that blocks the process for good on a full disk
 * (https://github.com/pinojs/sonic-boom/pull/33).
 */
import { writeSync } from 'node:fs';

/** Bytes that wait for the descriptor at most; lines beyond it are dropped. */
const MAX_WAITING_BYTES = 1_048_576;
const RETRY_MS = 100;

export interface LineWriter {
  write(line: string): void;
}

/** @param fd Should not block. The descriptor of `process.stdout` does not block when it is a pipe. */
export function createLineWriter(fd: number): LineWriter {
  // One write a line: a pipe takes up to 4 KiB whole or not at all, so the lines of several workers do not mix.
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let retrying = false;

  function flush(): void {
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
  }

  return {
    write: (line) => {
      const bytes = Buffer.from(line);
      if (waitingBytes + bytes.length > MAX_WAITING_BYTES) return;
      waiting.push(bytes);
      waitingBytes += bytes.length;
      flush();
    },
  };
}
