/** Redis under Sentinel: the client finds the primary, and the one that takes its place. */
import { expect, it, onTestFinished } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { parseRedisUrl } from '../../../src/config/redis-url.ts';
import { createRedisClient, type RedisClient } from '../../../src/facts/redis-client.ts';
import { openRedis, startSentinels } from '../../support/facts/redis-deployments.ts';
import { until } from '../../support/until.ts';

const open = (url: string) => {
  const { value, problems } = parseRedisUrl(url);
  expect(problems).toEqual([]);
  const failures: string[] = [];
  const store = createRedisClient({
    url: value ?? '',
    ...{ timeoutMs: 50, pauseMs: 500, clock: systemClock, onReady: () => {} },
    onError: (operation, error) => failures.push(`${operation}: ${String(error)}`),
  });
  onTestFinished(() => store.end());
  return { store, failures };
};
const stored = (store: RedisClient, key: string, value: string) =>
  until(
    `${key} is stored`,
    async () => {
      store.set(key, value, 60_000);
      return (await store.get(key)) === value;
    },
    20_000,
  );

it('the Redis client goes to the primary that the sentinels name, and after a failover to the new one', async () => {
  const { primary, replica, sentinels, url, named } = await startSentinels();
  // A sentinel that is away costs nothing but the attempt.
  await sentinels[0]?.kill('SIGSTOP');
  onTestFinished(() => sentinels[0]?.kill('SIGCONT'));
  const { store } = open(url);
  await stored(store, 'before', '1');
  expect(await openRedis(primary).get('before')).toBe('1');
  await sentinels[0]?.kill('SIGCONT');

  await primary.kill('SIGKILL');
  // A miss at once, and no call fails.
  expect(await store.get('before')).toBeNull();
  await named(replica);
  await stored(store, 'after', '2');
  expect(await openRedis(replica).get('after')).toBe('2');
});

it('Redis and its sentinels may have different passwords, and the number of the database counts', async () => {
  const { primary, sentinels, url } = await startSentinels(undefined, 'one');
  for (const sentinel of sentinels) {
    const rules = ['on', '>two', '-@all', '+sentinel|get-master-addr-by-name'];
    await openRedis(sentinel, { password: 'sentinel-one' }).call('ACL', 'SETUSER', 'assent', ...rules);
  }
  const withUser = url.replace('sentinel_password=sentinel-one', 'sentinel_username=assent&sentinel_password=two');
  const { store } = open(withUser.replace('/facts', '/facts/5'));
  await stored(store, 'key', 'value');
  const client = openRedis(primary, { password: 'one' });
  await client.select(5);
  expect(await client.get('key')).toBe('value');

  const { store: stranger, failures } = open(url.replace('sentinel_password=sentinel-one', 'sentinel_password=wrong'));
  await until('a failure', () => failures.length > 0);
  expect(stranger.available()).toBe(false);
  expect(failures.join('\n')).not.toMatch(/wrong|sentinel-one/);
});
