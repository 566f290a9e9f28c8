import { expect, it } from 'vitest';
import { createLifecycle } from '../../src/service.ts';

it('the end of a service ends all parts at once, and Redis after the subscription to events', async () => {
  const began: string[] = [];
  const waiting = Promise.withResolvers<void>();
  const slow = (name: string) => () => {
    began.push(name);
    return waiting.promise;
  };
  const { prepare, end } = createLifecycle({
    policy: { start: async () => {}, reload: async () => {}, stop: () => void began.push('policy') },
    callers: { start: () => {}, reload: async () => {}, stop: () => void began.push('callers') },
    certificates: null,
    directory: { schema: () => Promise.reject(new Error('away')), end: slow('PostgreSQL') },
    keys: { start: async () => {}, stop: () => void began.push('keys') },
    redis: { end: () => void began.push('Redis') },
    traces: { stop: slow('traces') },
    listen: () => ({ readyWithin: async () => {}, stop: slow('events') }),
    isDatabaseAway: () => true,
  });
  expect(await prepare()).toBe(false);
  const ended = end();
  await Promise.resolve();
  expect(began.toSorted()).toEqual(['PostgreSQL', 'callers', 'events', 'keys', 'policy', 'traces']);
  waiting.resolve();
  await ended;
  expect(began.at(-1)).toBe('Redis');
});
