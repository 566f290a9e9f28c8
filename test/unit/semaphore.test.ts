import { expect, it } from 'vitest';
import { createSemaphore } from '../../src/semaphore.ts';

/** Tasks that record their start, and end when the test says so. */
const recorder = () => {
  const started: string[] = [];
  const ends = new Map<string, PromiseWithResolvers<string>>();
  return {
    started,
    task: (name: string) => () => {
      const end = Promise.withResolvers<string>();
      started.push(name);
      ends.set(name, end);
      return end.promise;
    },
    end: (name: string) => ends.get(name)?.resolve(name),
    fail: (name: string) => ends.get(name)?.reject(new Error(name)),
  };
};

it('a semaphore runs as many tasks at once as it has permits, and the others in order of arrival', async () => {
  const { started, task, end } = recorder();
  const semaphore = createSemaphore(2);
  const tasks = ['a', 'b', 'c', 'd'].map((name) => semaphore.run(task(name)));
  expect(started).toEqual(['a', 'b']);
  expect(semaphore.waiting()).toBe(2);
  end('b');
  expect(await tasks[1]?.done).toBe('b');
  expect(started).toEqual(['a', 'b', 'c']);
  end('a');
  await tasks[0]?.done;
  end('d');
  expect(await tasks[3]?.done).toBe('d');
  end('c');
  expect(await tasks[2]?.done).toBe('c');
  expect(semaphore.waiting()).toBe(0);
});

it('a semaphore gets a permit back from a task that fails as from one that succeeds', async () => {
  const { started, task, end, fail } = recorder();
  const semaphore = createSemaphore(2);
  const tasks = ['a', 'b', 'c'].map((name) => semaphore.run(task(name)));
  fail('a');
  await expect(tasks[0]?.done).rejects.toThrow('a');
  fail('c');
  await expect(tasks[2]?.done).rejects.toThrow('c');
  end('b');
  await tasks[1]?.done;
  semaphore.run(task('d'));
  semaphore.run(task('e'));
  semaphore.run(task('f'));
  expect(started).toEqual(['a', 'b', 'c', 'd', 'e']);
});

it('a semaphore never starts a task that left the queue', async () => {
  const { started, task, end } = recorder();
  const semaphore = createSemaphore(1);
  const first = semaphore.run(task('a'));
  const abandoned = Array.from({ length: 100 }, (_, index) => semaphore.run(task(`left ${index}`)));
  const last = semaphore.run(task('b'));
  for (const { leave } of abandoned) leave();
  expect(semaphore.waiting()).toBe(1);
  end('a');
  await first.done;
  expect(started).toEqual(['a', 'b']);
  end('b');
  await last.done;
});

it('a running task keeps its permit until it settles, also after its cancellation', async () => {
  const { started, task, end } = recorder();
  const semaphore = createSemaphore(1);
  const first = semaphore.run(task('a'));
  const second = semaphore.run(task('b'));
  first.leave();
  expect(started).toEqual(['a']);
  end('a');
  await first.done;
  second.leave();
  const third = semaphore.run(task('c'));
  expect(started).toEqual(['a', 'b']);
  end('b');
  await second.done;
  expect(started).toEqual(['a', 'b', 'c']);
  end('c');
  await third.done;
});
