import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallerLimits, shareOf } from '../../../src/callers/limits.ts';

const rates = fc.constantFrom(0.1, 0.5, 1, 1.5, 3, 10, 1_000);

describe('the calls a second of a caller', () => {
  it('an idle caller may make the calls of one second at once, and then one in each interval', () => {
    const limits = new CallerLimits({ rate: 10, inFlight: null });
    for (let call = 0; call < 10; call += 1) expect(limits.take(5_000)).toBe(0);
    expect(limits.take(5_000)).toBe(100);
    expect(limits.take(5_099)).toBeCloseTo(1);
    expect(limits.take(5_100)).toBe(0);
    expect(limits.take(5_100)).toBe(100);
  });

  it('a caller of less than one call a second may make one at once', () => {
    const limits = new CallerLimits({ rate: 0.1, inFlight: null });
    expect(limits.take(0)).toBe(0);
    expect(limits.take(0)).toBe(10_000);
    expect(limits.take(10_000)).toBe(0);
  });

  it('a caller without a rate is never refused', () => {
    const limits = new CallerLimits({ rate: null, inFlight: null });
    expect(limits.hasRate).toBe(false);
    for (let call = 0; call < 1_000; call += 1) expect(limits.take(0)).toBe(0);
  });

  it('the calls that are taken are those of a token bucket of one second, whatever the calls', () => {
    fc.assert(
      fc.property(rates, fc.array(fc.nat({ max: 3_000 }), { maxLength: 200 }), (rate, steps) => {
        const limits = new CallerLimits({ rate, inFlight: null });
        const size = Math.max(1, rate);
        let [now, tokens] = [0, size];
        for (const step of steps) {
          // Mostly small steps, so that calls are refused.
          const passed = step > 2_500 ? step : step / 100;
          now += passed;
          tokens = Math.min(size, tokens + (passed * rate) / 1_000);
          const waitMs = limits.take(now);
          if (waitMs === 0) tokens -= 1;
          // At the edge the two ways to calculate may differ by a rounding.
          const edge = Math.abs(tokens + (waitMs === 0 ? 0 : -1)) < 1e-6;
          if (!edge) expect(waitMs === 0 ? tokens >= -1e-6 : tokens < 1).toBe(true);
          if (waitMs > 0) expect(tokens + (waitMs * rate) / 1_000).toBeCloseTo(1, 5);
        }
      }),
    );
  });

  it('a caller that waits as long as it is told is taken, and one that keeps its rate is never refused', () => {
    fc.assert(
      fc.property(rates, fc.nat({ max: 1e9 }), (rate, start) => {
        const limits = new CallerLimits({ rate, inFlight: null });
        let now = start;
        for (let call = 0; call < 50; call += 1) {
          const waitMs = limits.take(now);
          if (waitMs > 0) {
            now += Math.ceil(waitMs);
            expect(limits.take(now)).toBe(0);
          }
        }
        for (let call = 0; call < 50; call += 1) {
          now += Math.ceil(1_000 / rate);
          expect(limits.take(now)).toBe(0);
        }
      }),
    );
  });

  it('a changed rate neither fills the bucket nor leaves a debt of the old rate', () => {
    const limits = new CallerLimits({ rate: 0.1, inFlight: null });
    expect(limits.take(0)).toBe(0);
    limits.change({ rate: 10, inFlight: null });
    expect(limits.take(0)).toBe(100);
    expect(limits.take(100)).toBe(0);
    limits.change({ rate: 0.5, inFlight: null });
    expect(limits.take(100)).toBeGreaterThan(0);
    expect(limits.take(2_100)).toBe(0);
  });
});

it('calls under way are bounded, also after the bound has changed', () => {
  const limits = new CallerLimits({ rate: null, inFlight: 2 });
  expect(limits.countsInFlight).toBe(true);
  limits.begin();
  expect(limits.hasRoom()).toBe(true);
  limits.begin();
  expect(limits.hasRoom()).toBe(false);
  limits.change({ rate: null, inFlight: 1 });
  limits.end();
  expect(limits.hasRoom()).toBe(false);
  limits.end();
  expect(limits.hasRoom()).toBe(true);
  limits.change({ rate: null, inFlight: null });
  expect(limits.countsInFlight).toBe(false);
});

it('the workers of a replica share its limits, and each may have one call under way', () => {
  expect(shareOf({ rate: 100, inFlight: 64 }, 4)).toEqual({ rate: 25, inFlight: 16 });
  expect(shareOf({ rate: 1, inFlight: 7 }, 4)).toEqual({ rate: 0.25, inFlight: 1 });
  expect(shareOf({ rate: null, inFlight: null }, 4)).toEqual({ rate: null, inFlight: null });
});
