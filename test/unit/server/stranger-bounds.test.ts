import { describe, expect, it } from 'vitest';
import { StrangerBounds, type StrangerLimits } from '../../../src/server/stranger-bounds.ts';

const LIMITS: StrangerLimits = {
  requests: { size: 10, refill: 2 },
  refusalUnits: 4,
  unitsUnderPressure: 5,
  bytes: { size: 1_000, refill: 100 },
  open: 3,
  requestMs: 500,
  headerMs: 800,
  headerBytes: 50,
};

const stranger = (): StrangerBounds => new StrangerBounds(LIMITS, 0);

/** The faults of as many requests, all at once. */
const requests = (bounds: StrangerBounds, count: number, now = 0, pressed = false) =>
  Array.from({ length: count }, () => bounds.request(now, 0, pressed));

it('the bytes that a connection sent while its caller was known are not counted', () => {
  const bounds = new StrangerBounds(LIMITS, 0, 5_000);
  expect([bounds.check(0, 6_000, null), bounds.check(0, 6_001, null)]).toEqual([null, 'bytes']);
  expect(new StrangerBounds(LIMITS, 0, 5_000).check(900, 5_050, null)).toBe(null);
  expect(new StrangerBounds(LIMITS, 0, 5_000).check(900, 5_051, null)).toBe('slow_header');
});

describe('the requests of a stranger', () => {
  it('a stranger may make as many requests at once as its bucket holds', () => {
    const bounds = stranger();
    expect(requests(bounds, 10)).toEqual(Array(10).fill(null));
    expect(bounds.request(0, 0, false)).toBe('requests');
  });

  it('the bucket of requests fills again slowly, and holds no more than its size', () => {
    const bounds = stranger();
    requests(bounds, 10);
    expect(requests(bounds, 3, 1_000)).toEqual([null, null, 'requests']);
    expect(requests(bounds, 11, 1_000_000)).toEqual([...Array(10).fill(null), 'requests']);
  });

  it('a refused request costs more than an answered one', () => {
    const bounds = stranger();
    expect([bounds.request(0, 0, false), bounds.refused(0)]).toEqual([null, null]);
    // Its answer is the last one: another request would be one too many.
    expect([bounds.request(0, 0, false), bounds.refused(0)]).toEqual([null, 'refusals']);
    expect(bounds.request(0, 0, false)).toBe('refusals');
    const other = stranger();
    requests(other, 7);
    expect(other.refused(0)).toBe('refusals');
  });

  it('a request costs more while strangers as a whole ask too much', () => {
    expect(requests(stranger(), 3, 0, true)).toEqual([null, null, 'requests']);
  });

  it('a stranger has room for a few requests at once', () => {
    expect([0, 2, 3].map((open) => stranger().hasRoom(open))).toEqual([true, true, false]);
  });
});

describe('a look at a stranger', () => {
  it('a stranger may send as many bytes as its bucket holds, requests or not', () => {
    const bounds = stranger();
    expect(bounds.check(0, 1_000, null)).toBe(null);
    expect(bounds.check(500, 1_050, null)).toBe(null);
    expect(bounds.check(500, 1_051, null)).toBe('bytes');
  });

  it('a request has a bounded time', () => {
    expect(stranger().check(600, 0, 100)).toBe(null);
    expect(stranger().check(601, 0, 100)).toBe('slow_request');
  });

  it('headers that have begun to come have a bounded time', () => {
    expect(stranger().check(800, 51, null)).toBe(null);
    expect(stranger().check(801, 51, null)).toBe('slow_header');
  });

  it('a silent stranger, and one that sends PINGs, have no bound on their time', () => {
    expect(stranger().check(1_000_000, 50, null)).toBe(null);
    const bounds = stranger();
    bounds.request(700, 400, false);
    expect(bounds.check(1_000, 440, null)).toBe(null);
    expect(bounds.check(1_000_000, 450, null)).toBe(null);
  });
});
