/**
 * The state machine of a JWKS cache, without timers and I/O: (state, event) -> (state, effects).
 *
 * | event        | idle                          | fetching                                  | stopped  |
 * | ------------ | ----------------------------- | ----------------------------------------- | -------- |
 * | started, due | fetch -> fetching             | joins the fetch                           | ignored  |
 * | missing      | if allowed: fetch -> fetching | joins the fetch                           | ignored  |
 * | fetched      | (no fetch runs)               | new keys; schedule, report -> idle        | new keys |
 * | failed       | (no fetch runs)               | keys stay; schedule retry, report -> idle | ignored  |
 * | stopped      | end -> stopped                | end -> stopped                            | ignored  |
 *
 * One fetch runs at a time. The timer begins it every `refreshMs`, and sooner after a failure: the pause is `retryMs` and
 * doubles with each further failure, up to `unknownKidCooldownMs`. A token with a missing key may begin it, too:
 * - never within `retryMs` of a failure;
 * - else always while no usable key is there (none was fetched, or the last successful fetch began more than
 *   `keepUnreachableMs` ago);
 * - else once in `unknownKidCooldownMs`, whether that fetch succeeds or not, so that a flood of made-up kids costs the issuer
 *   one fetch.
 */
import type { VerificationKey } from './jwk.ts';

/** A change of the cache, for the log and the metrics. */
export type JwksCacheEvent =
  | { readonly kind: 'refreshed'; readonly keys: number }
  /** The earlier keys stay. `failures` counts the failures in a row; the next attempt is in `retryInMs`. */
  | { readonly kind: 'refresh-failed'; readonly error: unknown; readonly failures: number; readonly retryInMs: number }
  /** Reported once for as long as the key is published and skipped for this reason. */
  | { readonly kind: 'key-skipped'; readonly kid: string; readonly reason: string };

/** Times in milliseconds. */
export interface JwksCacheLimits {
  readonly refreshMs: number;
  readonly unknownKidCooldownMs: number;
  /** How long keys are usable after the last successful fetch began. */
  readonly keepUnreachableMs: number;
  /** The pause after a first failure; it doubles with each further one, up to `unknownKidCooldownMs`. */
  readonly retryMs: number;
}

/** All moments are of the monotonic clock; before the first of their kind they are minus infinity. */
export interface JwksCacheState {
  readonly phase: 'idle' | 'fetching' | 'stopped';
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** The skipped keys of the last successful fetch, by kid and reason. */
  readonly skipped: ReadonlySet<string>;
  /** When the current or the last fetch began. */
  readonly beganAt: number;
  /** When the last successful fetch began. */
  readonly fetchedAt: number;
  /** When the last fetch failed. */
  readonly failedAt: number;
  /** When a token last began a fetch although usable keys were there. */
  readonly demandedAt: number;
  /** Failures in a row. */
  readonly failures: number;
}

/** `now` is a moment of the monotonic clock, in milliseconds. */
export type JwksCacheInput =
  /** The owner starts the cache, or its timer is due. */
  | { readonly kind: 'started' | 'due'; readonly now: number }
  /** A token names a key that is not there; its call has `leftMs` to wait. */
  | { readonly kind: 'missing'; readonly now: number; readonly leftMs: number }
  /** The fetch succeeded. `skipped` are the published keys that cannot be used. */
  | {
      readonly kind: 'fetched';
      readonly keys: ReadonlyMap<string, VerificationKey>;
      readonly skipped: readonly { readonly kid: string; readonly reason: string }[];
    }
  | { readonly kind: 'failed'; readonly now: number; readonly error: unknown }
  | { readonly kind: 'stopped' };

export type JwksCacheEffect =
  /** Fetch the keys within `timeoutMs`; the outcome is the next `fetched` or `failed`. */
  | { readonly kind: 'fetch'; readonly timeoutMs: number }
  /** Set the timer, in place of an earlier one. */
  | { readonly kind: 'schedule'; readonly delayMs: number }
  | { readonly kind: 'report'; readonly event: JwksCacheEvent }
  /** Clear the timer and abort the fetch. */
  | { readonly kind: 'end' };

export interface JwksCacheTransition {
  readonly state: JwksCacheState;
  /** In the order in which they are to run. */
  readonly effects: readonly JwksCacheEffect[];
}

/** The state before the first fetch. */
export const EMPTY_CACHE: JwksCacheState = {
  phase: 'idle',
  keys: new Map(),
  skipped: new Set(),
  beganAt: Number.NEGATIVE_INFINITY,
  fetchedAt: Number.NEGATIVE_INFINITY,
  failedAt: Number.NEGATIVE_INFINITY,
  demandedAt: Number.NEGATIVE_INFINITY,
  failures: 0,
};

/**
 * One step of the table above. Pure.
 * @param fetchTimeoutMs The time of a fetch that no token begins.
 */
export function reduce(
  state: JwksCacheState,
  input: JwksCacheInput,
  limits: JwksCacheLimits,
  fetchTimeoutMs: number,
): JwksCacheTransition {
  switch (input.kind) {
    case 'started':
    case 'due':
      return state.phase === 'idle' ? beginFetch(state, input.now, fetchTimeoutMs) : unchanged(state);
    case 'missing': {
      if (state.phase !== 'idle' || input.leftMs <= 0 || !mayFetchForToken(state, input.now, limits)) {
        return unchanged(state);
      }
      const demandedAt = hasUsableKeys(state, input.now, limits) ? input.now : state.demandedAt;
      return beginFetch({ ...state, demandedAt }, input.now, input.leftMs);
    }
    case 'fetched':
      return takeKeys(state, input, limits);
    case 'failed':
      return state.phase === 'fetching' ? retryLater(state, input, limits) : unchanged(state);
    case 'stopped':
      return state.phase === 'stopped'
        ? unchanged(state)
        : { state: { ...state, phase: 'stopped' }, effects: [{ kind: 'end' }] };
  }
}

/** Whether the keys are young enough to verify with. True also for a set without a single key. */
export function hasUsableKeys({ fetchedAt }: JwksCacheState, now: number, limits: JwksCacheLimits): boolean {
  return now - fetchedAt <= limits.keepUnreachableMs;
}

function mayFetchForToken(state: JwksCacheState, now: number, limits: JwksCacheLimits): boolean {
  if (now - state.failedAt < limits.retryMs) return false;
  return !hasUsableKeys(state, now, limits) || now - state.demandedAt >= limits.unknownKidCooldownMs;
}

function beginFetch(state: JwksCacheState, now: number, timeoutMs: number): JwksCacheTransition {
  return { state: { ...state, phase: 'fetching', beganAt: now }, effects: [{ kind: 'fetch', timeoutMs }] };
}

function takeKeys(
  state: JwksCacheState,
  { keys, skipped }: Extract<JwksCacheInput, { kind: 'fetched' }>,
  { refreshMs }: JwksCacheLimits,
): JwksCacheTransition {
  const skippedNow = new Map(skipped.map((one) => [JSON.stringify([one.kid, one.reason]), one]));
  const taken = { ...state, keys, skipped: new Set(skippedNow.keys()), fetchedAt: state.beganAt, failures: 0 };
  if (state.phase === 'stopped') return unchanged(taken);
  const newlySkipped = [...skippedNow].filter(([id]) => !state.skipped.has(id)).map(([, one]) => one);
  return {
    state: { ...taken, phase: 'idle' },
    effects: [
      { kind: 'schedule', delayMs: refreshMs },
      ...newlySkipped.map((one) => report({ kind: 'key-skipped', ...one })),
      report({ kind: 'refreshed', keys: keys.size }),
    ],
  };
}

function retryLater(
  state: JwksCacheState,
  { now, error }: Extract<JwksCacheInput, { kind: 'failed' }>,
  { retryMs, unknownKidCooldownMs, refreshMs }: JwksCacheLimits,
): JwksCacheTransition {
  const failures = state.failures + 1;
  const retryInMs = Math.min(retryMs * 2 ** (failures - 1), unknownKidCooldownMs, refreshMs);
  return {
    state: { ...state, phase: 'idle', failedAt: now, failures },
    effects: [{ kind: 'schedule', delayMs: retryInMs }, report({ kind: 'refresh-failed', error, failures, retryInMs })],
  };
}

function report(event: JwksCacheEvent): JwksCacheEffect {
  return { kind: 'report', event };
}

function unchanged(state: JwksCacheState): JwksCacheTransition {
  return { state, effects: [] };
}
