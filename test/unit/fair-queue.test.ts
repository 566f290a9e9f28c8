import { expect, it } from 'vitest';
import { createFairQueue } from '../../src/fair-queue.ts';
import { eventLoopTurn } from '../support/event-loop.ts';

/** Tasks that settle when they are told to, and the order in which they began. */
const tasks = () => {
  const begun: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<string>>();
  return {
    begun,
    task: (name: string) => (): Promise<string> => {
      begun.push(name);
      const end = Promise.withResolvers<string>();
      ends.set(name, end);
      return end.promise;
    },
    end: async (name: string): Promise<void> => {
      ends.get(name)?.resolve(name);
      await eventLoopTurn();
    },
    fail: async (name: string): Promise<void> => {
      ends.get(name)?.reject(new Error(name));
      await eventLoopTurn();
    },
  };
};

it('the fair queue gives an owner with one task its turn before the second task of another', async () => {
  const queue = createFairQueue(1, 1);
  const [a, b] = [{}, {}];
  const { begun, task, end } = tasks();
  for (const name of ['a1', 'a2', 'a3']) void queue.run(a, task(name));
  void queue.run(b, task('b1'));
  for (const name of ['a1', 'b1', 'a2', 'a3']) await end(name);
  expect(begun).toEqual(['a1', 'b1', 'a2', 'a3']);
});

it('the fair queue runs no more tasks at once than it may, in all and of one owner', async () => {
  const queue = createFairQueue(3, 2);
  const [a, b] = [{}, {}];
  const { begun, task, end } = tasks();
  for (const name of ['a1', 'a2', 'a3']) void queue.run(a, task(name));
  expect(begun).toEqual(['a1', 'a2']);
  for (const name of ['b1', 'b2']) void queue.run(b, task(name));
  expect(begun).toEqual(['a1', 'a2', 'b1']);
  await end('a2');
  expect(begun).toEqual(['a1', 'a2', 'b1', 'b2']);
  await end('b1');
  expect(begun).toEqual(['a1', 'a2', 'b1', 'b2', 'a3']);
});

it('a task that leaves the fair queue never begins, and its owner goes on', async () => {
  const queue = createFairQueue(1, 1);
  const owner = {};
  const { begun, task, end } = tasks();
  const first = queue.run(owner, task('1'));
  const second = queue.run(owner, task('2'));
  const third = queue.run(owner, task('3'));
  second.leave();
  // A task that runs goes on.
  first.leave();
  await end('1');
  await end('3');
  expect(begun).toEqual(['1', '3']);
  expect([await first.done, await third.done]).toEqual(['1', '3']);
});

it('a task of the fair queue that fails makes room for the next', async () => {
  const queue = createFairQueue(1, 1);
  const { begun, task, fail } = tasks();
  const first = queue.run({}, task('1'));
  void queue.run({}, task('2'));
  const failed = expect(first.done).rejects.toThrow('1');
  await fail('1');
  await failed;
  expect(begun).toEqual(['1', '2']);
});
