import { expect, it } from 'vitest';
import { shareScrapes } from '../../../src/telemetry/shared-scrape.ts';

it('requests during a scrape share its result', async () => {
  const results: ((value: number) => void)[] = [];
  const scrape = shareScrapes(() => new Promise<number>((resolve) => results.push(resolve)));
  const both = [scrape(), scrape()];
  expect(results).toHaveLength(1);
  results[0]?.(7);
  expect(await Promise.all(both)).toEqual([7, 7]);
});

it('after ten scrapes at once the last result is reused, and one scrape a second is made', async () => {
  let made = 0;
  let now = 0;
  const scrape = shareScrapes(
    async () => ++made,
    () => now,
  );
  for (let request = 0; request < 100; request += 1) await scrape();
  expect(made).toBe(10);
  now += 999;
  expect(await scrape()).toBe(10);
  now += 1;
  expect(await scrape()).toBe(11);
  expect(await scrape()).toBe(11);
  now += 60_000;
  for (let request = 0; request < 100; request += 1) await scrape();
  expect(made).toBe(21);
});

it('a scrape that fails is not reused', async () => {
  let made = 0;
  const scrape = shareScrapes(
    async () => {
      made += 1;
      if (made === 1) throw new Error('no');
      return made;
    },
    () => 0,
  );
  await expect(scrape()).rejects.toThrow('no');
  expect(await scrape()).toBe(2);
});
