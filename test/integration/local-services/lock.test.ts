import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withLock } from '../../../tools/local-services/lock.ts';
import { eventLoopTurn } from '../../support/event-loop.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assent-test-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('a lock has one holder at a time, and leaves nothing behind, also after an error', async () => {
  let inside = 0;
  let most = 0;
  const work = async (workspace: string) => {
    inside += 1;
    most = Math.max(most, inside);
    mkdirSync(join(workspace, 'unfinished'));
    await eventLoopTurn();
    inside -= 1;
  };
  await Promise.all([withLock(folder, work), withLock(folder, work), withLock(folder, work)]);
  expect(most).toBe(1);
  await expect(withLock(folder, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  expect(readdirSync(folder)).toEqual([]);
});

it('a lock of a process that died is taken over', async () => {
  const lock = join(folder, 'lock');
  mkdirSync(lock);
  const longAgo = new Date(Date.now() - 60_000);
  utimesSync(lock, longAgo, longAgo);
  expect(await withLock(folder, async () => 'done')).toBe('done');
});
