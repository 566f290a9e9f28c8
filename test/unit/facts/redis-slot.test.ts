import { expect, it } from 'vitest';
import { slotOf } from '../../../src/facts/redis-slot.ts';

it.each([
  ['123456789', 12_739],
  ['foo', 12_182],
  ['', 0],
])('the key "%s" has the slot that the specification of Redis Cluster gives', (key, slot) => {
  expect(slotOf(key)).toBe(slot);
});
