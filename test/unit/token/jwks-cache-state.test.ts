import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { VerificationKey } from '../../../src/token/jwk.ts';
import {
  EMPTY_CACHE,
  hasUsableKeys,
  type JwksCacheEffect,
  type JwksCacheInput,
  type JwksCacheLimits,
  type JwksCacheState,
  reduce,
} from '../../../src/token/jwks-cache-state.ts';

const LIMITS: JwksCacheLimits = {
  refreshMs: 300_000,
  unknownKidCooldownMs: 30_000,
  keepUnreachableMs: 3_600_000,
  retryMs: 1_000,
};
const FETCH_TIMEOUT_MS = 5_000;
const error = new Error('unreachable');

const step = (state: JwksCacheState, input: JwksCacheInput) => reduce(state, input, LIMITS, FETCH_TIMEOUT_MS);
/** The state after all inputs. */
const stateAfter = (...inputs: readonly JwksCacheInput[]): JwksCacheState =>
  inputs.reduce((state, input) => step(state, input).state, EMPTY_CACHE);

const started = (now: number): JwksCacheInput => ({ kind: 'started', now });
const due = (now: number): JwksCacheInput => ({ kind: 'due', now });
const missing = (now: number, leftMs = FETCH_TIMEOUT_MS): JwksCacheInput => ({ kind: 'missing', now, leftMs });
const failed = (now: number): JwksCacheInput => ({ kind: 'failed', now, error });
const stopped: JwksCacheInput = { kind: 'stopped' };
const keysOf = (...kids: readonly string[]): ReadonlyMap<string, VerificationKey> =>
  new Map(kids.map((kid) => [kid, { kid } as VerificationKey]));
const fetched = (
  kids: readonly string[] = ['a'],
  skipped: readonly { kid: string; reason: string }[] = [],
): JwksCacheInput => ({ kind: 'fetched', keys: keysOf(...kids), skipped });

const FETCH: JwksCacheEffect = { kind: 'fetch', timeoutMs: FETCH_TIMEOUT_MS };

describe('an idle JWKS cache', () => {
  it.each([started(7), due(7)])(
    'an idle JWKS cache begins a fetch with the whole timeout when it is $kind',
    (input) => {
      const { state, effects } = step(EMPTY_CACHE, input);
      expect(state).toMatchObject({ phase: 'fetching', beganAt: 7 });
      expect(effects).toEqual([FETCH]);
    },
  );

  it('an idle JWKS cache begins a fetch for a token in the time that the call has left', () => {
    const { state, effects } = step(EMPTY_CACHE, missing(7, 1_234));
    expect(state.phase).toBe('fetching');
    expect(effects).toEqual([{ kind: 'fetch', timeoutMs: 1_234 }]);
  });

  it.each([0, -1])('an idle JWKS cache begins no fetch for a token whose call has %i ms left', (leftMs) => {
    expect(step(EMPTY_CACHE, missing(7, leftMs))).toEqual({ state: EMPTY_CACHE, effects: [] });
  });

  it('an idle JWKS cache begins one fetch for tokens with unknown kids in the cooldown while it has usable keys', () => {
    const first = stateAfter(started(0), fetched(), missing(10), fetched());
    expect(step(first, missing(30_009)).effects).toEqual([]);
    expect(step(first, missing(30_010)).effects).toEqual([FETCH]);
  });

  it('an idle JWKS cache does not count the fetch of the timer as one for an unknown kid', () => {
    const state = stateAfter(started(0), fetched());
    expect(step(state, missing(1)).effects).toEqual([FETCH]);
  });

  it('an idle JWKS cache begins no fetch for a token within the retry pause of a failure', () => {
    for (const state of [
      stateAfter(started(0), failed(10)),
      stateAfter(started(0), fetched(), due(5), failed(10)),
      stateAfter(started(0), fetched(), missing(5), failed(10)),
    ]) {
      expect(step(state, missing(1_009)).effects).toEqual([]);
    }
  });

  it('an idle JWKS cache begins a fetch for each token after the retry pause while it has no usable keys', () => {
    let state = stateAfter(started(0), failed(0));
    for (let now = 1_000; now < 10_000; now += 1_000) {
      const next = step(state, missing(now));
      expect(next.effects).toEqual([FETCH]);
      state = step(next.state, failed(now)).state;
    }
    expect(state.demandedAt).toBe(Number.NEGATIVE_INFINITY);
  });

  it('an idle JWKS cache begins a fetch for a token with keys that are too old, also in the cooldown of an unknown kid', () => {
    const state = stateAfter(started(0), fetched(), missing(3_600_000), failed(3_600_000));
    expect(hasUsableKeys(state, 3_600_001, LIMITS)).toBe(false);
    expect(step(state, missing(3_601_000)).effects).toEqual([FETCH]);
  });
});

describe('a JWKS cache that is fetching', () => {
  const fetching = stateAfter(started(100));

  it.each([started(200), due(200), missing(200)])(
    'a fetching JWKS cache begins no second fetch when it is $kind',
    (input) => {
      expect(step(fetching, input)).toEqual({ state: fetching, effects: [] });
    },
  );

  it('a fetching JWKS cache takes the keys as of the beginning of the fetch, schedules the next fetch and reports', () => {
    const { state, effects } = step(fetching, fetched(['a', 'b']));
    expect(state).toMatchObject({ phase: 'idle', fetchedAt: 100, failures: 0 });
    expect([...state.keys.keys()]).toEqual(['a', 'b']);
    expect(effects).toEqual([
      { kind: 'schedule', delayMs: 300_000 },
      { kind: 'report', event: { kind: 'refreshed', keys: 2 } },
    ]);
    expect(hasUsableKeys(state, 3_600_100, LIMITS)).toBe(true);
    expect(hasUsableKeys(state, 3_600_101, LIMITS)).toBe(false);
  });

  it('a fetching JWKS cache replaces the keys: a key that is no longer published is gone', () => {
    const state = stateAfter(started(0), fetched(['a', 'b']), due(300_000), fetched(['b']));
    expect([...state.keys.keys()]).toEqual(['b']);
  });

  it('a fetching JWKS cache keeps its keys when a fetch fails, and doubles the pause up to the cooldown', () => {
    let state = stateAfter(started(0), fetched());
    const pauses: number[] = [];
    for (let now = 300_000; pauses.length < 8; now += 60_000) {
      const next = step(step(state, due(now)).state, failed(now));
      const [schedule, report] = next.effects;
      if (schedule?.kind !== 'schedule') throw new Error('no retry is scheduled');
      pauses.push(schedule.delayMs);
      expect(report).toEqual({
        kind: 'report',
        event: { kind: 'refresh-failed', error, failures: pauses.length, retryInMs: schedule.delayMs },
      });
      state = next.state;
      expect([...state.keys.keys()]).toEqual(['a']);
      expect(state.fetchedAt).toBe(0);
    }
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(stateAfter(started(0), failed(0), due(1_000), fetched()).failures).toBe(0);
  });

  it('a fetching JWKS cache retries no later than it would refresh', () => {
    const limits = { ...LIMITS, refreshMs: 700 };
    expect(reduce(fetching, failed(0), limits, FETCH_TIMEOUT_MS).effects[0]).toEqual({
      kind: 'schedule',
      delayMs: 700,
    });
  });
});

describe('the skipped keys of a JWKS cache', () => {
  const reports = (state: JwksCacheState, input: JwksCacheInput) =>
    step(state, input).effects.flatMap((effect) =>
      effect.kind === 'report' && effect.event.kind === 'key-skipped'
        ? [`${effect.event.kid}: ${effect.event.reason}`]
        : [],
    );
  const bad = { kid: 'b', reason: 'it is symmetric' };

  it('the skipped keys of a JWKS cache are reported once while they stay, each kid and reason once', () => {
    const first = stateAfter(started(0));
    expect(reports(first, fetched([], [bad, bad]))).toEqual(['b: it is symmetric']);
    const second = stateAfter(started(0), fetched([], [bad]), due(1));
    expect(reports(second, fetched([], [bad]))).toEqual([]);
  });

  it('the skipped keys of a JWKS cache are reported again after a fetch without them, and for another reason', () => {
    const other = { kid: 'b', reason: 'it has no kid' };
    const state = stateAfter(started(0), fetched([], [bad]), due(1));
    expect(reports(state, fetched([], [other]))).toEqual(['b: it has no kid']);
    const without = stateAfter(started(0), fetched([], [bad]), due(1), fetched(), due(2));
    expect(reports(without, fetched([], [bad]))).toEqual(['b: it is symmetric']);
  });

  it('the skipped keys of a JWKS cache are remembered over a failure', () => {
    const state = stateAfter(started(0), fetched([], [bad]), due(1), failed(2), due(3));
    expect(reports(state, fetched([], [bad]))).toEqual([]);
  });
});

describe('a stopped JWKS cache', () => {
  it.each([stateAfter(), stateAfter(started(0)), stateAfter(started(0), fetched())])(
    'a stopped JWKS cache ends its timer and its fetch once',
    (state) => {
      const { state: ended, effects } = step(state, stopped);
      expect(ended.phase).toBe('stopped');
      expect(effects).toEqual([{ kind: 'end' }]);
      expect(step(ended, stopped).effects).toEqual([]);
    },
  );

  it('a stopped JWKS cache begins nothing and reports nothing', () => {
    const state = stateAfter(started(0), fetched(), stopped);
    for (const input of [started(1), due(1), missing(99_999), failed(1)]) {
      expect(step(state, input)).toEqual({ state, effects: [] });
    }
  });

  it('a stopped JWKS cache takes the keys of a fetch that was being imported, and reports nothing', () => {
    const { state, effects } = step(stateAfter(started(5), stopped), fetched(['a'], [{ kid: 'b', reason: 'bad' }]));
    expect(state).toMatchObject({ phase: 'stopped', fetchedAt: 5 });
    expect([...state.keys.keys()]).toEqual(['a']);
    expect(effects).toEqual([]);
  });
});

describe('a JWKS cache in any order of events', () => {
  const action = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('missing' as const), leftMs: fc.integer({ min: -5, max: 5_000 }) }),
    },
    fc.record({ kind: fc.constantFrom('started' as const, 'due' as const, 'failed' as const) }),
    fc.record({ kind: fc.constant('fetched' as const), kids: fc.subarray(['a', 'b', 'c']) }),
  );
  const script = fc.array(fc.tuple(fc.integer({ min: 0, max: 40_000 }), action), { maxLength: 60 });

  const inputOf = (one: typeof action extends fc.Arbitrary<infer T> ? T : never, now: number): JwksCacheInput => {
    if (one.kind === 'missing') return missing(now, one.leftMs);
    if (one.kind === 'fetched') return fetched(one.kids);
    return one.kind === 'failed' ? failed(now) : { kind: one.kind, now };
  };

  it('a JWKS cache in any order of events has one fetch at a time, always a timer when idle, and few fetches for unknown kids', () => {
    fc.assert(
      fc.property(script, (actions) => {
        let state = EMPTY_CACHE;
        let now = 0;
        let [fetching, timer] = [false, false];
        const demandedAt: number[] = [];
        for (const [pause, one] of actions) {
          now += pause;
          // The outcome of a fetch comes only while there is one; the timer is due only when it is set.
          if ((one.kind === 'fetched' || one.kind === 'failed') !== fetching && one.kind !== 'missing') continue;
          if (one.kind === 'due' && !timer) continue;
          const usable = hasUsableKeys(state, now, LIMITS);
          const { state: next, effects } = step(state, inputOf(one, now));
          if (one.kind === 'fetched' || one.kind === 'failed') fetching = false;
          for (const effect of effects) {
            if (effect.kind === 'fetch') {
              expect(fetching).toBe(false);
              expect(effect.timeoutMs).toBeGreaterThan(0);
              fetching = true;
              if (one.kind === 'missing' && usable) demandedAt.push(now);
            }
            if (effect.kind === 'schedule') timer = true;
            if (effect.kind === 'schedule') expect(effect.delayMs).toBeLessThanOrEqual(LIMITS.refreshMs);
          }
          state = next;
          expect(state.phase).toBe(fetching ? 'fetching' : 'idle');
          if (state.phase === 'idle' && state !== EMPTY_CACHE) expect(timer).toBe(true);
        }
        for (const [index, moment] of demandedAt.entries()) {
          const before = demandedAt[index - 1];
          if (before !== undefined) expect(moment - before).toBeGreaterThanOrEqual(LIMITS.unknownKidCooldownMs);
        }
      }),
    );
  });
});
