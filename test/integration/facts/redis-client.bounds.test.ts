/** What Redis can cost a call at most, however slow it is and whatever is stored in it. */
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { createRedisClient } from '../../../src/facts/redis-client.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { createTestClock } from '../../support/facts/harness.ts';
import { portOf } from '../../support/port-of.ts';
import { testRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const { url } = await testRedis();

/** A store that is connected, whose network and time are the test's. */
const open = async () => {
  const proxy = await startProxy(portOf(url));
  onTestFinished(() => proxy.close());
  const clock = createTestClock();
  const failures: string[] = [];
  const store = createRedisClient({
    url: through(url, proxy),
    clock,
    onError: (operation, error) => failures.push(`${operation}: ${String(error)}`),
    onReady: () => {},
  });
  onTestFinished(() => store.end());
  await until('a connection', store.available);
  const direct = new Redis(url);
  onTestFinished(() => direct.disconnect());
  return { proxy, clock, failures, store, direct };
};

it('the Redis client gives a slow answer up, and then sends no reads for half a second', async () => {
  const { proxy, clock, failures, store, direct } = await open();
  await direct.set('slow', 'value');
  proxy.setMode('hold');
  expect(await store.get('slow')).toBeNull();
  expect(failures).toEqual(['get: Error: Command timed out']);
  proxy.setMode('pass');
  expect(store.available()).toBe(false);
  clock.advance(499);
  store.set('put', 'value', 60_000);
  expect(await store.get('slow')).toBeNull();
  clock.advance(1);
  await until('the value', async () => {
    // On a busy machine the first one may be late as well.
    clock.advance(500);
    return (await store.get('slow')) === 'value';
  });
  expect(await direct.exists('put')).toBe(0);
  expect(failures.every((failure) => failure.endsWith('Command timed out'))).toBe(true);
});

it('the Redis client sends deletions also during the pause, for other readers of the key', async () => {
  const { proxy, store, direct } = await open();
  await direct.set('key', 'value');
  proxy.setMode('hold');
  await store.get('key');
  proxy.setMode('pass');
  expect(store.available()).toBe(false);
  store.delete('key');
  await until('the key is gone', async () => (await direct.exists('key')) === 0);
});

it('the Redis client reads at most a mebibyte of a value', async () => {
  const { clock, store, direct } = await open();
  await direct.set('long', 'x'.repeat(1_048_577));
  let read: string | null = null;
  await until('the value', async () => {
    clock.advance(500);
    read = await store.get('long');
    return read !== null;
  });
  expect(read).toHaveLength(1_048_576);
});

it('the Redis client stores an entry for the given life and no longer', async () => {
  const { store, direct } = await open();
  store.set('key', 'value', 4_999.2);
  await until('the value', async () => (await direct.exists('key')) === 1);
  const left = await direct.pttl('key');
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(5_000);
});
