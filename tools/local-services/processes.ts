import { readFileSync } from 'node:fs';

/** Signals a process that may have ended by itself in the meantime. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has.
  }
}

/**
 * Whether a process runs. A zombie (state Z), which has ended but whose parent has not asked about it, does not; where
 * there is no /proc the two cannot be distinguished.
 */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  try {
    // The state follows the program's name in parentheses, which can hold anything.
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return process.platform !== 'linux';
  }
}

const pollMs = 5;

/** Blocks until a process has ended, for the `exit` event, in which nothing can be awaited. */
export function waitForEnd(pid: number, limitMs: number): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + limitMs;
  while (isAlive(pid) && performance.now() < deadline) {
    Atomics.wait(pause, 0, 0, pollMs);
  }
}
