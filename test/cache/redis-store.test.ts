/** The connection to Redis when the network fails it. */
import { expect, it, onTestFinished } from 'vitest';
import { createRedisStore } from '../../src/cache/redis-store.ts';
import { systemClock } from '../../src/clock.ts';
import { startProxy, through } from '../support/proxy.ts';
import { testRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const { url } = await testRedis();

it('makes a connection anew whose other end vanished without a word', async () => {
  const proxy = await startProxy(Number(new URL(url).port));
  onTestFinished(() => proxy.close());
  let ready = 0;
  const store = createRedisStore({
    url: through(url, proxy),
    clock: systemClock,
    onError: () => {},
    onReady: () => {
      ready += 1;
    },
  });
  onTestFinished(() => store.end());
  await until('the first connection', () => ready === 1);
  store.set('key', 'value', 60_000);
  await until('a value', async () => (await store.get('key')) === 'value');

  proxy.setMode('stall');
  expect(await store.get('key')).toBeNull();
  // The network is whole again, but what was sent on the old connection is lost, and nobody was told.
  proxy.setMode('pass');
  await until('the value again', async () => (await store.get('key')) === 'value');
  expect(ready).toBe(2);
});
