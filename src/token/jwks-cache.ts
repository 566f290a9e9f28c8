/**
 * The published keys of one source, kept fresh in memory: a verification needs no I/O unless a token names an unknown key.
 * The decisions are those of {@link reduce}; this file has the timer, the fetch and the calls that wait for it. All calls
 * that miss a key wait for the same fetch, and no call waits longer than `fetchTimeoutMs`.
 */
import { type Clock, systemClock } from '../clock.ts';
import { AssentError } from '../errors.ts';
import { withTimeout } from '../with-timeout.ts';
import { importVerificationKey, type PublishedKey, type VerificationKey } from './jwk.ts';
import {
  EMPTY_CACHE,
  hasUsableKeys,
  type JwksCacheEffect,
  type JwksCacheEvent,
  type JwksCacheInput,
  type JwksCacheLimits,
  reduce,
} from './jwks-cache-state.ts';

/** A place where keys are published: Better Auth's `jwks` table, or a URL. */
export interface JwksSource {
  /**
   * Reads all keys; a key that is missing from the result is no longer valid.
   * @param signal Aborted when the cache stops waiting.
   * @throws Any error when the keys cannot be read: the cache keeps the earlier ones.
   */
  fetchKeys(signal: AbortSignal): Promise<readonly PublishedKey[]>;
}

/** Times in milliseconds. */
export interface JwksCacheOptions extends Partial<JwksCacheLimits> {
  /** How long a key verifies after its `expiresAt`, at which it stops signing. Better Auth's default is 30 days. */
  readonly graceMs?: number;
  readonly fetchTimeoutMs?: number;
  readonly clock?: Clock;
  /** Must not throw. */
  readonly onEvent?: (event: JwksCacheEvent) => void;
}

/** Finds the keys of a verifier. */
export interface KeyFinder {
  /**
   * Returns a known key at once, and waits for a fetch otherwise.
   * @throws AssentError TOKEN_KEY_UNKNOWN, or KEYS_UNAVAILABLE when there are no usable keys; by rejecting.
   */
  find(kid: string): VerificationKey | Promise<VerificationKey>;
}

/** The keys of one source. */
export interface JwksCache extends KeyFinder {
  /** Fetches the keys, and keeps them fresh from then on. Resolves after the first attempt, also when it failed. */
  start(): Promise<void>;
  /** Ends the timer and the fetch under way. The keys stay. */
  stop(): void;
}

const DAY_MS = 86_400_000;

/** Builds the cache; it fetches nothing before `start` or the first `find`. */
export function createJwksCache(source: JwksSource, options: JwksCacheOptions = {}): JwksCache {
  const { graceMs = 30 * DAY_MS, fetchTimeoutMs = 5_000, clock = systemClock, onEvent = () => {} } = options;
  const limits: JwksCacheLimits = {
    refreshMs: options.refreshMs ?? 300_000,
    unknownKidCooldownMs: options.unknownKidCooldownMs ?? 30_000,
    keepUnreachableMs: options.keepUnreachableMs ?? 3_600_000,
    retryMs: options.retryMs ?? 1_000,
  };
  let state = EMPTY_CACHE;
  let fetching: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const stopping = new AbortController();

  return {
    start: () => {
      step({ kind: 'started', now: clock.monotonic() });
      return fetching;
    },
    find: (kid) => lookUp(kid) ?? waitFor(kid),
    stop: () => step({ kind: 'stopped' }),
  };

  function lookUp(kid: string): VerificationKey | undefined {
    const key = hasUsableKeys(state, clock.monotonic(), limits) ? state.keys.get(kid) : undefined;
    return key !== undefined && (key.usableUntil === null || clock.now() < key.usableUntil) ? key : undefined;
  }

  async function waitFor(kid: string): Promise<VerificationKey> {
    const arrived = clock.monotonic();
    if (state.phase === 'fetching') await fetching;
    let key = lookUp(kid);
    if (key === undefined) {
      // The fetch under way may have read the keys before this one was added. The call may begin another fetch in the time
      // that it has left, or joins the fetch that another call has begun since.
      const now = clock.monotonic();
      step({ kind: 'missing', now, leftMs: fetchTimeoutMs - (now - arrived) });
      if (state.phase === 'fetching') await fetching;
      key = lookUp(kid);
    }
    if (key !== undefined) return key;
    throw hasUsableKeys(state, clock.monotonic(), limits)
      ? new AssentError('TOKEN_KEY_UNKNOWN', 'The token names a key that is not known.')
      : new AssentError('KEYS_UNAVAILABLE', 'The keys to verify tokens with cannot be read at the moment.');
  }

  function step(input: JwksCacheInput): void {
    const next = reduce(state, input, limits, fetchTimeoutMs);
    state = next.state;
    for (const effect of next.effects) run(effect);
  }

  function run(effect: JwksCacheEffect): void {
    switch (effect.kind) {
      case 'fetch':
        fetching = fetchKeys(effect.timeoutMs).then(step);
        break;
      case 'schedule':
        clearTimeout(timer);
        // The timer does not keep a process alive that has nothing else to do.
        timer = setTimeout(() => step({ kind: 'due', now: clock.monotonic() }), effect.delayMs).unref();
        break;
      case 'report':
        onEvent(effect.event);
        break;
      case 'end':
        clearTimeout(timer);
        stopping.abort(new Error('The JWKS cache was stopped.'));
    }
  }

  async function fetchKeys(timeoutMs: number): Promise<JwksCacheInput> {
    const overtime = new AbortController();
    const late = (): Error => {
      const error = new Error(`No answer within ${timeoutMs} ms.`);
      overtime.abort(error);
      return error;
    };
    try {
      const answer = source.fetchKeys(AbortSignal.any([overtime.signal, stopping.signal]));
      // A late answer is dropped: it could be older than the next one.
      return await importKeys(await withTimeout(timeoutMs, answer, late, stopping.signal), graceMs);
    } catch (error) {
      return { kind: 'failed', now: clock.monotonic(), error };
    }
  }
}

async function importKeys(published: readonly PublishedKey[], graceMs: number): Promise<JwksCacheInput> {
  const keys = new Map<string, VerificationKey>();
  const skipped: { readonly kid: string; readonly reason: string }[] = [];
  for (const one of published) {
    const { kid } = one;
    // With two keys of one name it is unknown which of them signed a token, so only the first one is taken.
    const result = keys.has(kid) ? 'its kid is taken by another key' : await importVerificationKey(one, graceMs);
    if (typeof result === 'string') skipped.push({ kid, reason: result });
    else keys.set(kid, result);
  }
  return { kind: 'fetched', keys, skipped };
}
