import { expect, it } from 'vitest';
import { isBeyondTimers, parseTimeout } from '../../../src/server/deadline.ts';

it.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['4m', 4],
  ['5u', 0.005],
  ['99999999n', 99.999999],
  ['', null],
  ['1', null],
  ['1s', null],
  ['123456789m', null],
  ['-1m', null],
  ['1m ', null],
])('a gRPC timeout of "%s" is %s ms', (text, ms) => {
  expect(parseTimeout(text)).toBe(ms);
});

it('a deadline that is too far for a timer is recognised', () => {
  expect(isBeyondTimers(2 ** 31 - 1)).toBe(false);
  expect(isBeyondTimers(2 ** 31)).toBe(true);
});
