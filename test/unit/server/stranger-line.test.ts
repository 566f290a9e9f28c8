import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { StrangerLine } from '../../../src/server/stranger-line.ts';

const here = (): boolean => false;

it('a line does one piece of work in a turn, the newest first', async () => {
  const line = new StrangerLine();
  const done: string[] = [];
  for (const name of ['first', 'second', 'third']) line.run(() => done.push(name), here);
  expect(done).toEqual(['first']);
  await nextTurn();
  expect(done).toEqual(['first', 'third']);
  line.run(() => done.push('fourth'), here);
  await nextTurn();
  expect(done).toEqual(['first', 'third', 'fourth']);
  await nextTurn();
  expect(done).toEqual(['first', 'third', 'fourth', 'second']);
});

it('a line that is empty again does the next piece of work at once', async () => {
  const line = new StrangerLine();
  const done: string[] = [];
  line.run(() => done.push('first'), here);
  await nextTurn();
  line.run(() => done.push('second'), here);
  expect(done).toEqual(['first', 'second']);
});

it('work that fails does not keep the next one from its turn', async () => {
  const line = new StrangerLine();
  const done: string[] = [];
  expect(() =>
    line.run(() => {
      throw new Error('work');
    }, here),
  ).toThrow('work');
  line.run(() => done.push('next'), here);
  await nextTurn();
  expect(done).toEqual(['next']);
});

it('strangers that are gone take no turn, and are not kept', async () => {
  const line = new StrangerLine();
  const done: string[] = [];
  let gone = false;
  const isOver = (): boolean => gone;
  line.run(() => done.push('first'), here);
  line.run(() => done.push('second'), here);
  for (let count = 0; count < 3_999; count += 1) line.run(() => done.push('gone'), isOver);
  expect(line.length).toBe(4_000);
  gone = true;
  line.run(() => done.push('third'), here);
  expect(line.length).toBe(2);
  line.run(() => done.push('gone'), isOver);
  await nextTurn();
  await nextTurn();
  expect(done).toEqual(['first', 'third', 'second']);
});
