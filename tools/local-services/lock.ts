import { rmSync } from 'node:fs';
import { mkdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cleanup, registerCleanup, unregisterCleanup } from './cleanup.ts';

const beatMs = 1000;
const staleMs = 15_000;
const pollMs = 200;

/**
 * Runs `work` while no other process does so for the same folder. The holder renews the lock every second; one that was
 * not renewed for 15 s belonged to a process that died. It saves double work only: what is made under it has to be put
 * in place in one step all the same, since a process can be suspended for longer than that.
 * @param work gets a folder for unfinished things, which goes with the lock, also when this process dies
 */
export async function withLock<T>(folder: string, work: (workspace: string) => Promise<T>): Promise<T> {
  const lock = join(folder, 'lock');
  while (!(await take(lock))) {
    await breakIfStale(lock);
    await delay(pollMs);
  }
  const release = () => rmSync(lock, { recursive: true, force: true });
  const cleanup: Cleanup = { stop: async () => release(), abandon: release };
  registerCleanup(cleanup);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(lock, now, now).catch(() => {});
  }, beatMs);
  try {
    return await work(lock);
  } finally {
    clearInterval(beat);
    release();
    unregisterCleanup(cleanup);
  }
}

/** Making a folder is the one step that only one of several processes can succeed in. */
async function take(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      return false;
    }
    throw error;
  }
}

async function breakIfStale(lock: string): Promise<void> {
  const found = await stat(lock).catch(() => undefined);
  if (found === undefined || Date.now() - found.mtimeMs < staleMs) {
    return;
  }
  const aside = `${lock}-stale-${process.pid}`;
  await rename(lock, aside).catch(() => {});
  await rm(aside, { recursive: true, force: true });
}
