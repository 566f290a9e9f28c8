/** A stop has a bound, of which each part may take its own: none waits for another that waits for a server. */
import { expect, it } from 'vitest';
import { lifecycle } from '../../src/lifecycle.ts';

it('ends all parts at once; Redis when no event can ask for it any more', async () => {
  const began: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const slow = (name: string) => () => {
    began.push(name);
    return waiting.promise;
  };
  const { prepare, end } = lifecycle({
    policy: { start: async () => {}, stop: () => void began.push('policy') },
    directory: { schema: () => Promise.reject(new Error('away')), end: slow('PostgreSQL') },
    keys: { start: async () => {}, stop: () => void began.push('keys') },
    redis: { end: () => void began.push('Redis') },
    traces: { stop: slow('traces') },
    listen: () => ({ readyWithin: async () => {}, stop: slow('events') }),
    observe: { isAway: () => true },
  });
  expect(await prepare()).toBe(false);
  const ended = end();
  await Promise.resolve();
  expect(began.toSorted()).toEqual(['PostgreSQL', 'events', 'keys', 'policy', 'traces']);
  waiting.resolve();
  await ended;
  expect(began.at(-1)).toBe('Redis');
});
