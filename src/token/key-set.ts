/**
 * The public keys in memory, kept fresh: verifying costs no I/O unless a token names a key that is not known.
 *
 * One fetch at a time. It is begun by the timer (every `refreshMs`, sooner after a failure) or by a token whose key is
 * not here (at most once in `unknownKidCooldownMs`, whether it succeeds or not, so that a flood of made-up kids costs
 * the issuer one fetch). Everybody who waits for a key waits for that one fetch, and nobody for longer than
 * `fetchTimeoutMs`.
 */
import { type Clock, systemClock } from '../clock.ts';
import { AssentError } from '../errors.ts';
import { withTimeout } from '../with-timeout.ts';
import { type ImportedKey, importKey } from './imported-key.ts';
import type { KeySource, PublishedKey } from './key-source.ts';

/** What happened to the keys, for the log and the metrics. */
export type KeySetEvent =
  | { readonly kind: 'refreshed'; readonly keys: number }
  /** The keys from before stay. `failures` counts those in a row; `retryInMs` is when it is tried again. */
  | { readonly kind: 'refresh-failed'; readonly error: unknown; readonly failures: number; readonly retryInMs: number }
  /** Said once as long as the key stays as it is. */
  | { readonly kind: 'key-skipped'; readonly kid: string; readonly reason: string };

/** Times in milliseconds. */
export interface KeySetOptions {
  readonly refreshMs?: number;
  readonly unknownKidCooldownMs?: number;
  /** How long keys are good for after the last successful fetch began. */
  readonly keepUnreachableMs?: number;
  /** How long a key verifies after its `expiresAt`, at which it stops signing. Better Auth's default is 30 days. */
  readonly graceMs?: number;
  readonly fetchTimeoutMs?: number;
  /** The pause after a first failure; it doubles with each further one, up to `unknownKidCooldownMs`. */
  readonly retryMs?: number;
  readonly clock?: Clock;
  /** Must not throw. */
  readonly onEvent?: (event: KeySetEvent) => void;
}

/** Where a verifier gets a key from. */
export interface KeyFinder {
  /**
   * At once when the key is here; else it waits for a fetch, maybe one of its own.
   * @throws AssentError TOKEN_KEY_UNKNOWN, or KEYS_UNAVAILABLE when there are no keys that may be used; by rejecting.
   */
  find(kid: string): ImportedKey | Promise<ImportedKey>;
}

/** The keys of one source. */
export interface KeySet extends KeyFinder {
  /** Fetches the keys, and from then on keeps them fresh. Resolves after the first attempt, also when it failed. */
  start(): Promise<void>;
  /** Ends the timer and what is under way. */
  stop(): void;
}

const DAY_MS = 86_400_000;

/** Builds the key set; nothing is fetched before `start` or the first `find`. */
export const createKeySet = (source: KeySource, options: KeySetOptions = {}): KeySet => {
  const {
    refreshMs = 300_000,
    unknownKidCooldownMs = 30_000,
    keepUnreachableMs = 3_600_000,
    graceMs = 30 * DAY_MS,
    fetchTimeoutMs = 5_000,
    retryMs = 1_000,
    clock = systemClock,
    onEvent = () => {},
  } = options;

  let keys: ReadonlyMap<string, ImportedKey> = new Map();
  let skipped: ReadonlySet<string> = new Set();
  // Moments of the monotonic clock; before the first of their kind, as if it had been long ago.
  let fetchedAt = Number.NEGATIVE_INFINITY;
  let failedAt = Number.NEGATIVE_INFINITY;
  let demandedAt = Number.NEGATIVE_INFINITY;
  let failures = 0;
  let flight: Promise<void> | null = null;
  let timer: NodeJS.Timeout | undefined;
  const stopping = new AbortController();

  const areUsable = (): boolean => clock.monotonic() - fetchedAt <= keepUnreachableMs;

  const lookUp = (kid: string): ImportedKey | undefined => {
    const key = areUsable() ? keys.get(kid) : undefined;
    return key !== undefined && (key.usableUntil === null || clock.now() < key.usableUntil) ? key : undefined;
  };

  const take = async (published: readonly PublishedKey[]): Promise<void> => {
    const taken = new Map<string, ImportedKey>();
    const refused = new Map<string, KeySetEvent>();
    for (const one of published) {
      // Which of two keys of one name signed a token is nobody's guess to make: the first one stays.
      const result = taken.has(one.kid) ? 'its kid is taken by another key' : await importKey(one, graceMs);
      if (typeof result === 'string') {
        refused.set(JSON.stringify([one.kid, result]), { kind: 'key-skipped', kid: one.kid, reason: result });
      } else taken.set(one.kid, result);
    }
    for (const [id, event] of refused) if (!skipped.has(id)) onEvent(event);
    skipped = new Set(refused.keys());
    keys = taken;
  };

  const scheduleIn = (delay: number): void => {
    clearTimeout(timer);
    // A process that has nothing else to do may end.
    timer = setTimeout(() => void refresh(fetchTimeoutMs), delay).unref();
  };

  const attempt = async (timeoutMs: number): Promise<void> => {
    const began = clock.monotonic();
    try {
      // Only what arrives in time is taken: an answer that comes later could be older than the next one.
      await take(await fetchKeys(source, timeoutMs, stopping.signal));
      fetchedAt = began;
      failures = 0;
      if (stopping.signal.aborted) return;
      scheduleIn(refreshMs);
      onEvent({ kind: 'refreshed', keys: keys.size });
    } catch (error) {
      if (stopping.signal.aborted) return;
      failures += 1;
      failedAt = clock.monotonic();
      const retryInMs = Math.min(retryMs * 2 ** (failures - 1), unknownKidCooldownMs, refreshMs);
      scheduleIn(retryInMs);
      onEvent({ kind: 'refresh-failed', error, failures, retryInMs });
    }
  };

  const refresh = (timeoutMs: number): Promise<void> => {
    flight ??= attempt(timeoutMs).finally(() => {
      flight = null;
    });
    return flight;
  };

  /** Whether a token may cause a fetch now. Without any usable key each of them may, but not right after a failure. */
  const mayDemand = (): boolean => {
    const now = clock.monotonic();
    if (now - failedAt < retryMs) return false;
    return !areUsable() || now - demandedAt >= unknownKidCooldownMs;
  };

  const demand = (timeoutMs: number): void => {
    if (areUsable()) demandedAt = clock.monotonic();
    void refresh(timeoutMs);
  };

  const waitFor = async (kid: string): Promise<ImportedKey> => {
    const arrived = clock.monotonic();
    if (flight !== null) await flight;
    let key = lookUp(kid);
    if (key === undefined) {
      // The fetch that was under way may have read the keys before this one was added: it is worth one of its own,
      // within what is left of the time that this call may take.
      const left = fetchTimeoutMs - (clock.monotonic() - arrived);
      if (flight === null && left > 0 && mayDemand()) demand(left);
      if (flight !== null) await flight;
      key = lookUp(kid);
    }
    if (key !== undefined) return key;
    throw areUsable()
      ? new AssentError('TOKEN_KEY_UNKNOWN', 'The token names a key that is not known.')
      : new AssentError('KEYS_UNAVAILABLE', 'The keys to verify tokens with cannot be read at the moment.');
  };

  return {
    start: () => refresh(fetchTimeoutMs),
    find: (kid) => lookUp(kid) ?? waitFor(kid),
    stop: () => {
      clearTimeout(timer);
      stopping.abort(new Error('The key set was stopped.'));
    },
  };
};

/**
 * Fetches the keys of a source within `timeoutMs`. The source gets a signal that is aborted at the timeout or with `cancel`;
 * the wait ends then, even if the source ignores its signal.
 */
async function fetchKeys(source: KeySource, timeoutMs: number, cancel: AbortSignal): Promise<readonly PublishedKey[]> {
  cancel.throwIfAborted();
  const timeout = new AbortController();
  const late = (): Error => {
    const error = new Error(`No answer within ${timeoutMs} ms.`);
    timeout.abort(error);
    return error;
  };
  return withTimeout(timeoutMs, source.fetchKeys(AbortSignal.any([timeout.signal, cancel])), late, cancel);
}
