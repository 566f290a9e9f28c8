/** The connection to Redis when the network fails it. */
import { type AddressInfo, connect, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { createRedisClient } from '../../../src/facts/redis-client.ts';
import { startRedis } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { portOf } from '../../support/port-of.ts';
import { testRedis } from '../../support/redis.ts';
import { until } from '../../support/until.ts';

const { url } = await testRedis();

it('the Redis client makes a new connection when the peer has vanished silently', async () => {
  const proxy = await startProxy(portOf(url));
  onTestFinished(() => proxy.close());
  let ready = 0;
  const store = createRedisClient({
    url: through(url, proxy),
    timeoutMs: 50,
    pauseMs: 500,
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
  // The network works again, but data on the old connection is lost, and neither side was notified.
  proxy.setMode('pass');
  await until('the value again', async () => (await store.get('key')) === 'value');
  expect(ready).toBe(2);
});

it('the Redis client connects to the new primary when its server has become read-only', async () => {
  const [old, next] = await Promise.all([startRedis({ own: true }), startRedis({ own: true })]);
  onTestFinished(async () => void (await Promise.all([old.stop(), next.stop()])));
  // As a name that leads to the new primary after a failover, while connections to the old one stay as they are.
  let primary = old.port;
  const name = createServer((client) => {
    const server = connect(primary, '127.0.0.1');
    client.pipe(server).on('error', () => client.destroy());
    server.pipe(client).on('error', () => server.destroy());
    onTestFinished(() => void client.destroy());
  });
  await new Promise<void>((resolve) => name.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void name.close());
  const failures: string[] = [];
  const store = createRedisClient({
    url: through(old.url, name.address() as AddressInfo),
    timeoutMs: 50,
    pauseMs: 500,
    clock: systemClock,
    onError: (_, error) => failures.push(String(error)),
    onReady: () => {},
  });
  onTestFinished(() => store.end());
  const stored = async (value: string): Promise<boolean> => {
    store.set('key', value, 60_000);
    return (await store.get('key')) === value;
  };
  await until('a value', () => stored('before'));
  const operator = new Redis(old.url);
  onTestFinished(() => operator.disconnect());
  await operator.replicaof('127.0.0.1', next.port);
  primary = next.port;
  await until('a value in the new primary', () => stored('after'));
  expect(failures.some((failure) => failure.includes('READONLY'))).toBe(true);
});
