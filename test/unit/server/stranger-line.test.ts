import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { StrangerLine } from '../../../src/server/stranger-line.ts';

it('a line does one piece of work in a turn, the newest first', async () => {
  const line = new StrangerLine();
  const done: string[] = [];
  for (const name of ['first', 'second', 'third']) line.run(() => done.push(name));
  expect(done).toEqual(['first']);
  await nextTurn();
  expect(done).toEqual(['first', 'third']);
  line.run(() => done.push('fourth'));
  await nextTurn();
  expect(done).toEqual(['first', 'third', 'fourth']);
  await nextTurn();
  expect(done).toEqual(['first', 'third', 'fourth', 'second']);
});

it('a line that is empty again does the next piece of work at once', async () => {
  const line = new StrangerLine();
  const done: string[] = [];
  line.run(() => done.push('first'));
  await nextTurn();
  line.run(() => done.push('second'));
  expect(done).toEqual(['first', 'second']);
});

it('work that fails does not keep the next one from its turn', async () => {
  const line = new StrangerLine();
  const done: string[] = [];
  expect(() =>
    line.run(() => {
      throw new Error('work');
    }),
  ).toThrow('work');
  line.run(() => done.push('next'));
  await nextTurn();
  expect(done).toEqual(['next']);
});
