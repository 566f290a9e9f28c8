/** What Redis can cost a call at most, however slow it is and whatever is stored in it. */
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createRedisClient } from '../../../src/facts/redis-client.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { eventLoopTurn } from '../../support/event-loop.ts';
import { createTestClock } from '../../support/facts/harness.ts';
import { delayOfTheEventLoop } from '../../support/facts/redis-guard.ts';
import { mutate } from '../../support/mutated.ts';
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
    timeoutMs: 50,
    pauseMs: 500,
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
  expect(failures).toEqual(['get: RedisTimeout: Redis did not answer in time']);
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
  expect(failures.every((failure) => failure.endsWith('Redis did not answer in time'))).toBe(true);
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

/**
 * Reads a value of a healthy Redis in a process whose event loop stands still for longer than the timeout, right after the
 * command was sent. Without a proxy: its event loop would be the same.
 */
const readAcrossDelay = async (create: typeof createRedisClient) => {
  const failures: string[] = [];
  const store = create({
    url,
    timeoutMs: 50,
    pauseMs: 500,
    clock: systemClock,
    onError: (operation, error) => failures.push(`${operation}: ${String(error)}`),
    onReady: () => {},
  });
  onTestFinished(() => store.end());
  await until('a connection', store.available);
  store.set('healthy', 'value', 60_000);
  await until('the value', async () => (await store.get('healthy')) === 'value');
  failures.length = 0;
  // The timers are next after this turn, and the sockets after them.
  await eventLoopTurn();
  const read = store.get('healthy');
  process.nextTick(() => {
    const end = performance.now() + 200;
    while (performance.now() < end);
  });
  return { value: await read, failures, available: store.available() };
};

it('the Redis client does not take a delay of the event loop for one of Redis', async () => {
  expect(await readAcrossDelay(createRedisClient)).toEqual({ value: 'value', failures: [], available: true });
});

it('without a look at the sockets after the timeout a delay of the event loop turns a healthy Redis off', async () => {
  const source = mutate([delayOfTheEventLoop]);
  onTestFinished(source.remove);
  const { createRedisClient: changed } = await import(/* @vite-ignore */ `${source.path}/facts/redis-client.ts`);
  expect(await readAcrossDelay(changed)).toMatchObject({ value: null, available: false });
});
