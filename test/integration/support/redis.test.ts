import { Redis } from 'ioredis';
import { afterAll, expect, it } from 'vitest';
import { testRedis } from '../../support/redis.ts';

const [one, two] = await Promise.all([testRedis(), testRedis()]);
const clients = [one, two].map(({ url }) => new Redis(url));
afterAll(() => {
  for (const client of clients) {
    client.disconnect();
  }
});

it('every test gets a separate empty Redis database', async () => {
  const [first, second] = clients;
  expect(one.database).not.toBe(two.database);
  expect(await first?.dbsize()).toBe(0);
  await first?.set('perm:u:o', '1');
  expect(await second?.get('perm:u:o')).toBeNull();
});

it('the end of a test empties only its own Redis database', async () => {
  const [first, second] = clients;
  await first?.set('key', '1');
  await second?.set('key', '2');
  await one.flush();
  expect(await first?.dbsize()).toBe(0);
  expect(await second?.get('key')).toBe('2');
});
