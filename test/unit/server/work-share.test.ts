import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { WorkShare } from '../../../src/server/work-share.ts';

/** Work of a connection that takes three milliseconds. */
const long = (done: string[], name: string) => (): void => {
  const end = performance.now() + 3;
  while (performance.now() < end);
  done.push(name);
};

it('a connection with short answers never waits', () => {
  const share = new WorkShare(() => null);
  for (let count = 0; count < 10_000; count += 1) share.worked(0.05);
  expect(share.used).toBe(false);
});

it('a connection whose long answers took its share waits, and goes on in the next turn', async () => {
  const share = new WorkShare(() => null);
  for (let count = 0; count < 4; count += 1) share.worked(0.6);
  expect(share.used).toBe(true);
  const done: string[] = [];
  share.later(() => done.push('later'));
  expect(done).toEqual([]);
  await nextTurn();
  expect(done).toEqual(['later']);
  await nextTurn();
  expect(share.used).toBe(false);
});

it('the long answers of several turns are not added up', async () => {
  const share = new WorkShare(() => null);
  for (let turn = 0; turn < 5; turn += 1) {
    share.worked(0.6);
    await nextTurn();
  }
  expect(share.used).toBe(false);
});

it('connections that wait go on in turn, one in a turn of the event loop', async () => {
  const [first, second] = [new WorkShare(() => null), new WorkShare(() => null)];
  const done: string[] = [];
  first.worked(3);
  second.worked(3);
  for (const number of [1, 2]) {
    first.later(long(done, `first ${number}`));
    second.later(long(done, `second ${number}`));
  }
  const seen: number[] = [];
  while (done.length < 4) {
    await nextTurn();
    seen.push(done.length);
  }
  expect(done).toEqual(['first 1', 'second 1', 'first 2', 'second 2']);
  expect(seen).toEqual([1, 2, 3, 4]);
});

it('work that comes when a connection waits no longer is done at once', () => {
  const done: string[] = [];
  new WorkShare(() => null).later(() => done.push('now'));
  expect(done).toEqual(['now']);
});
