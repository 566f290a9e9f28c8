import { generateKeyPairSync } from 'node:crypto';
import { exportJWK } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PublishedKey } from '../../../src/token/jwk.ts';
import { createJwksCache, type JwksCache, type JwksCacheOptions } from '../../../src/token/jwks-cache.ts';
import type { JwksCacheEvent } from '../../../src/token/jwks-cache-state.ts';
import { run } from '../../../tools/run.ts';
import { createTestKey, NOW_MS, refusalOf, type TestKey } from '../../support/token/signing.ts';

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const DAY = 86_400_000;

let first: TestKey;
let second: TestKey;
beforeAll(async () => {
  first = await createTestKey('EdDSA', 'first');
  second = await createTestKey('ES256', 'second');
});

beforeEach(() => {
  vi.useFakeTimers({ now: NOW_MS, toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
});

let running: JwksCache | undefined;
afterEach(() => {
  running?.stop();
  vi.useRealTimers();
});

type Answer = readonly PublishedKey[] | Error | Promise<readonly PublishedKey[]>;

/** A key set over a source that the test answers for. */
const createFixture = (initial: Answer, options: JwksCacheOptions = {}) => {
  const events: JwksCacheEvent[] = [];
  const signals: AbortSignal[] = [];
  const waiting = new Set<() => void>();
  const state = { answer: initial };
  const set = createJwksCache(
    {
      fetchKeys: async (signal) => {
        signals.push(signal);
        if (state.answer instanceof Error) throw state.answer;
        return state.answer;
      },
    },
    {
      onEvent: (event) => {
        events.push(event);
        for (const check of waiting) check();
      },
      ...options,
    },
  );
  running = set;
  /** Moves time and waits for as many events of the kind as there have to be by then. */
  const advance = async (ms: number, kind: JwksCacheEvent['kind'], count: number): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const check = (): void => {
      if (events.filter((event) => event.kind === kind).length >= count) resolve();
    };
    waiting.add(check);
    await vi.advanceTimersByTimeAsync(ms);
    check();
    await promise;
    waiting.delete(check);
  };
  return {
    set,
    events,
    signals,
    advance,
    fetches: () => signals.length,
    answerWith: (answer: Answer): void => {
      state.answer = answer;
    },
  };
};

const unreachable = new Error('unreachable');
const never = (): Promise<never> => new Promise(() => {});

describe('a JWKS cache', () => {
  it('a JWKS cache fetches at start, and not again for a key that it has', async () => {
    const { set, fetches, events } = createFixture([first.published, second.published]);
    await set.start();
    expect(await set.find('first')).toMatchObject({ kid: 'first', algorithm: 'EdDSA' });
    expect(await set.find('second')).toMatchObject({ kid: 'second', algorithm: 'ES256' });
    expect(fetches()).toBe(1);
    expect(events).toEqual([{ kind: 'refreshed', keys: 2 }]);
  });

  it('a JWKS cache fetches for the first token when it was not started', async () => {
    const { set, fetches } = createFixture([first.published]);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    expect(fetches()).toBe(1);
  });

  it('a JWKS cache fetches every five minutes, and a dropped key stops then', async () => {
    const { set, fetches, answerWith, advance } = createFixture([first.published, second.published]);
    await set.start();
    answerWith([second.published]);
    await vi.advanceTimersByTimeAsync(5 * MINUTE - 1);
    expect(fetches()).toBe(1);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    await advance(1, 'refreshed', 2);
    expect(fetches()).toBe(2);
    expect(await refusalOf(set.find('first'))).toBe('TOKEN_KEY_UNKNOWN');
    expect(await set.find('second')).toMatchObject({ kid: 'second' });
    await advance(5 * MINUTE, 'refreshed', 4);
  });

  it('a JWKS cache keeps no key when the source has none', async () => {
    const { set, answerWith, advance } = createFixture([first.published]);
    await set.start();
    answerWith([]);
    await advance(5 * MINUTE, 'refreshed', 2);
    expect(await refusalOf(set.find('first'))).toBe('TOKEN_KEY_UNKNOWN');
  });

  it('a JWKS cache finds a new key at its first token, however short the time since the start', async () => {
    const { set, fetches, answerWith } = createFixture([first.published]);
    await set.start();
    answerWith([first.published, second.published]);
    expect(await set.find('second')).toMatchObject({ kid: 'second' });
    expect(fetches()).toBe(2);
  });

  it('a JWKS cache fetches once in 30 s for a flood of unknown kids', async () => {
    const { set, fetches } = createFixture([first.published]);
    await set.start();
    const flood = async (): Promise<void> => {
      const codes = await Promise.all(
        Array.from({ length: 500 }, (_, index) => refusalOf(set.find(`made-up-${index}`))),
      );
      expect(new Set(codes)).toEqual(new Set(['TOKEN_KEY_UNKNOWN']));
    };
    await flood();
    await flood();
    expect(fetches()).toBe(2);
    await vi.advanceTimersByTimeAsync(30 * SECOND - 1);
    await flood();
    expect(fetches()).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    await flood();
    expect(fetches()).toBe(3);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
  });

  it('a JWKS cache fetches once for all calls that wait for a new key', async () => {
    const { set, fetches, answerWith } = createFixture([first.published]);
    await set.start();
    const { promise, resolve } = Promise.withResolvers<readonly PublishedKey[]>();
    answerWith(promise);
    const waiting = Array.from({ length: 50 }, () => set.find('second'));
    resolve([second.published]);
    for (const key of await Promise.all(waiting)) expect(key.kid).toBe('second');
    expect(fetches()).toBe(2);
  });

  it('a JWKS cache fetches once more when the fetch under way may have been too early', async () => {
    const early = Promise.withResolvers<readonly PublishedKey[]>();
    const { set, fetches, answerWith } = createFixture(early.promise);
    const started = set.start();
    const waiting = [set.find('second'), set.find('second'), refusalOf(set.find('made-up'))];
    answerWith([first.published, second.published]);
    early.resolve([first.published]);
    await started;
    expect(await Promise.all(waiting)).toMatchObject([{ kid: 'second' }, { kid: 'second' }, 'TOKEN_KEY_UNKNOWN']);
    expect(fetches()).toBe(2);
  });

  it('a JWKS cache has one fetch at a time', async () => {
    const { set, fetches, answerWith, advance } = createFixture([first.published]);
    await Promise.all([set.start(), set.start()]);
    expect(fetches()).toBe(1);
    await vi.advanceTimersByTimeAsync(5 * MINUTE - SECOND);
    const slow = Promise.withResolvers<readonly PublishedKey[]>();
    answerWith(slow.promise);
    const waiting = set.find('second');
    await vi.advanceTimersByTimeAsync(2 * SECOND);
    expect(fetches()).toBe(2);
    slow.resolve([second.published]);
    expect(await waiting).toMatchObject({ kid: 'second' });
    await advance(0, 'refreshed', 2);
    expect(fetches()).toBe(2);
  });

  it('a JWKS cache does not know a kid that is the name of an object property', async () => {
    const { set } = createFixture([first.published]);
    await set.start();
    for (const kid of ['__proto__', 'constructor', 'toString', '']) {
      expect(await refusalOf(set.find(kid))).toBe('TOKEN_KEY_UNKNOWN');
    }
  });
});

describe('a JWKS cache whose source fails', () => {
  it('a JWKS cache whose source fails keeps its keys for an hour since the last successful fetch, then has none, then recovers', async () => {
    const { set, fetches, answerWith, advance } = createFixture([first.published]);
    await set.start();
    await advance(5 * MINUTE, 'refreshed', 2);
    answerWith(unreachable);
    await vi.advanceTimersByTimeAsync(HOUR);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    await vi.advanceTimersByTimeAsync(1);
    expect(await refusalOf(set.find('first'))).toBe('KEYS_UNAVAILABLE');
    await vi.advanceTimersByTimeAsync(HOUR);
    expect(await refusalOf(set.find('first'))).toBe('KEYS_UNAVAILABLE');
    expect(fetches()).toBeGreaterThan(100);
    answerWith([first.published]);
    await vi.advanceTimersByTimeAsync(SECOND);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
  });

  it('a JWKS cache whose source fails counts the hour from before the fetch, not from its answer', async () => {
    const slow = Promise.withResolvers<readonly PublishedKey[]>();
    const { set, answerWith } = createFixture(slow.promise);
    const started = set.start();
    await vi.advanceTimersByTimeAsync(4 * SECOND);
    slow.resolve([first.published]);
    await started;
    answerWith(unreachable);
    await vi.advanceTimersByTimeAsync(HOUR - 4 * SECOND);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    await vi.advanceTimersByTimeAsync(1);
    expect(await refusalOf(set.find('first'))).toBe('KEYS_UNAVAILABLE');
  });

  it('a JWKS cache whose source fails starts without keys, reports the failure, and tries again after a second', async () => {
    const { set, events, fetches, answerWith, advance } = createFixture(unreachable);
    await set.start();
    expect(events).toEqual([{ kind: 'refresh-failed', error: unreachable, failures: 1, retryInMs: SECOND }]);
    const codes = await Promise.all(Array.from({ length: 100 }, () => refusalOf(set.find('first'))));
    expect(new Set(codes)).toEqual(new Set(['KEYS_UNAVAILABLE']));
    expect(fetches()).toBe(1);
    answerWith([first.published]);
    await advance(SECOND, 'refreshed', 1);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    expect(fetches()).toBe(2);
  });

  it('a JWKS cache whose source fails waits longer after each failure in a row, up to 30 s, without any token', async () => {
    const { set, events, answerWith, advance } = createFixture(unreachable);
    await set.start();
    for (let count = 2; count <= 8; count += 1) {
      const last = events.at(-1);
      if (last?.kind !== 'refresh-failed') throw new Error('no failure');
      await advance(last.retryInMs, 'refresh-failed', count);
    }
    const pauses = events.map((event) => (event.kind === 'refresh-failed' ? event.retryInMs / SECOND : 0));
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
    answerWith([first.published]);
    await advance(30 * SECOND, 'refreshed', 1);
    answerWith(unreachable);
    await advance(5 * MINUTE, 'refresh-failed', 9);
    expect(events.at(-1)).toMatchObject({ failures: 1, retryInMs: SECOND });
  });

  it('a JWKS cache whose source fails fetches for a token when it has no keys at all, a second after the last failure', async () => {
    const { set, fetches, answerWith } = createFixture(unreachable);
    await set.start();
    await vi.advanceTimersByTimeAsync(10 * SECOND);
    const before = fetches();
    answerWith([first.published]);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    expect(fetches()).toBe(before + 1);
  });

  it('a JWKS cache whose source fails fetches for a token as soon as its keys are too old, also shortly after it did for an unknown kid', async () => {
    let monotonic = 0;
    const { set, fetches, answerWith } = createFixture([first.published], {
      clock: { now: () => NOW_MS, monotonic: () => monotonic },
    });
    await set.start();
    answerWith(unreachable);
    monotonic = HOUR;
    expect(await refusalOf(set.find('second'))).toBe('TOKEN_KEY_UNKNOWN');
    monotonic += SECOND;
    answerWith([first.published]);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    expect(fetches()).toBe(3);
  });

  it('a JWKS cache whose source fails does not let unknown kids fetch more often because it fails', async () => {
    const { set, fetches, answerWith } = createFixture([first.published], { retryMs: 20 * SECOND });
    await set.start();
    answerWith(unreachable);
    for (let index = 0; index < 100; index += 1)
      expect(await refusalOf(set.find(`no-${index}`))).toBe('TOKEN_KEY_UNKNOWN');
    expect(fetches()).toBe(2);
    await vi.advanceTimersByTimeAsync(20 * SECOND);
    expect(fetches()).toBe(3);
    for (let index = 0; index < 100; index += 1)
      expect(await refusalOf(set.find(`no-${index}`))).toBe('TOKEN_KEY_UNKNOWN');
    expect(fetches()).toBe(3);
  });
});

describe('a JWKS cache whose source hangs', () => {
  it('a JWKS cache whose source hangs ends each wait after the time limit, and aborts the fetch', async () => {
    const { set, answerWith, signals } = createFixture([first.published]);
    await set.start();
    answerWith(never());
    const code = refusalOf(set.find('second'));
    await vi.advanceTimersByTimeAsync(5 * SECOND - 1);
    expect(signals[1]?.aborted).toBe(false);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    await vi.advanceTimersByTimeAsync(1);
    expect(await code).toBe('TOKEN_KEY_UNKNOWN');
    expect(signals[1]?.aborted).toBe(true);
  });

  it('a JWKS cache whose source hangs refuses a token with KEYS_UNAVAILABLE when no fetch ever succeeded', async () => {
    const { set } = createFixture(never());
    const started = set.start();
    const code = refusalOf(set.find('first'));
    await vi.advanceTimersByTimeAsync(5 * SECOND);
    await started;
    expect(await code).toBe('KEYS_UNAVAILABLE');
  });

  it('a JWKS cache whose source hangs gives the second fetch of a call only the rest of its time', async () => {
    const slow = Promise.withResolvers<readonly PublishedKey[]>();
    const { set, answerWith, fetches } = createFixture(slow.promise);
    const started = set.start();
    await vi.advanceTimersByTimeAsync(SECOND);
    const code = refusalOf(set.find('second'));
    await vi.advanceTimersByTimeAsync(3 * SECOND);
    answerWith(never());
    slow.resolve([first.published]);
    await started;
    await vi.waitFor(() => expect(fetches()).toBe(2), { interval: 1 });
    // Four seconds have passed for the first fetch, three for the token: two are left.
    await vi.advanceTimersByTimeAsync(2 * SECOND);
    expect(await code).toBe('TOKEN_KEY_UNKNOWN');
  });

  it('a JWKS cache whose source hangs begins no fetch for a call whose time is over', async () => {
    let monotonic = 0;
    const slow = Promise.withResolvers<readonly PublishedKey[]>();
    const { set, fetches } = createFixture(slow.promise, { clock: { now: () => NOW_MS, monotonic: () => monotonic } });
    const code = refusalOf(set.find('second'));
    const other = refusalOf(set.find('third'));
    monotonic = 5 * SECOND;
    slow.resolve([first.published]);
    expect([await code, await other]).toEqual(['TOKEN_KEY_UNKNOWN', 'TOKEN_KEY_UNKNOWN']);
    expect(fetches()).toBe(1);
  });

  it('a JWKS cache whose source hangs ignores an answer that comes after the time limit', async () => {
    const late = Promise.withResolvers<readonly PublishedKey[]>();
    const { set, answerWith, advance } = createFixture([first.published]);
    await set.start();
    answerWith(late.promise);
    await advance(5 * MINUTE, 'refreshed', 1);
    await advance(5 * SECOND, 'refresh-failed', 1);
    answerWith([second.published]);
    await advance(SECOND, 'refreshed', 2);
    late.resolve([first.published]);
    expect(await set.find('second')).toMatchObject({ kid: 'second' });
    expect(await refusalOf(set.find('first'))).toBe('TOKEN_KEY_UNKNOWN');
  });
});

describe('the keys of a JWKS cache', () => {
  it('the keys of a JWKS cache verify until the end of the grace after their expiry', async () => {
    let now = NOW_MS;
    const clock = { now: () => now, monotonic: () => 0 };
    const { set } = createFixture([{ ...first.published, expiresAt: NOW_MS + HOUR }], { clock });
    await set.start();
    now = NOW_MS + HOUR + 30 * DAY - 1;
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    now += 1;
    expect(await refusalOf(set.find('first'))).toBe('TOKEN_KEY_UNKNOWN');
  });

  it('the keys of a JWKS cache are public and cannot be exported, even when a private key is published', async () => {
    const jwk = { ...(await exportJWK(first.privateKey)) };
    expect(jwk).toHaveProperty('d');
    const { set } = createFixture([{ ...first.published, jwk }]);
    await set.start();
    const { key } = await set.find('first');
    expect(key).toMatchObject({ type: 'public', extractable: false, usages: ['verify'] });
  });

  it('the keys of a JWKS cache are skipped and reported once when they cannot be used, and the others stay usable', async () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
    const key = (kid: string, jwk: object, alg: string | null = null): PublishedKey => ({
      kid,
      jwk: { ...jwk },
      alg,
      expiresAt: null,
    });
    const bad = [
      key('', first.publicJwk),
      key('empty', {}),
      key('oct', { kty: 'oct', k: 'c2VjcmV0' }),
      key('rsa-no-alg', { ...weak }),
      key('rsa-1024', { ...weak }, 'RS256'),
      key('short', { kty: 'OKP', crv: 'Ed25519', x: 'AAAA' }),
      key('off-curve', { ...second.publicJwk, x: second.publicJwk.y, y: second.publicJwk.x }),
      key('first', second.publicJwk),
    ];
    const { set, events, advance } = createFixture([first.published, ...bad, second.published]);
    await set.start();
    const skipped = events.filter((event) => event.kind === 'key-skipped');
    expect(skipped.map(({ kid }) => kid)).toEqual(bad.map(({ kid }) => kid));
    expect(events.at(-1)).toEqual({ kind: 'refreshed', keys: 2 });
    expect(await set.find('first')).toMatchObject({ algorithm: 'EdDSA' });
    expect(await set.find('second')).toMatchObject({ algorithm: 'ES256' });
    await advance(5 * MINUTE, 'refreshed', 2);
    expect(events.filter((event) => event.kind === 'key-skipped')).toHaveLength(bad.length);
    for (const { kid } of bad.slice(1, -1)) expect(await refusalOf(set.find(kid))).toBe('TOKEN_KEY_UNKNOWN');
  });
});

describe('a stopped JWKS cache', () => {
  it('a stopped JWKS cache ends its timer', async () => {
    const { set, fetches } = createFixture([first.published]);
    await set.start();
    set.stop();
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(HOUR / 2);
    expect(await set.find('first')).toMatchObject({ kid: 'first' });
    expect(await refusalOf(set.find('second'))).toBe('TOKEN_KEY_UNKNOWN');
    expect(fetches()).toBe(1);
  });

  it('a stopped JWKS cache ends a fetch that is under way', async () => {
    const { set, signals, events } = createFixture(never());
    const started = set.start();
    set.stop();
    await started;
    expect(signals[0]?.aborted).toBe(true);
    expect(events).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('a stopped JWKS cache sets no timer and reports nothing when it stops during the import of keys', async () => {
    const jwk = { ...first.publicJwk };
    const { set, events } = createFixture([
      {
        ...first.published,
        get jwk() {
          set.stop();
          return jwk;
        },
      },
    ]);
    await set.start();
    expect(vi.getTimerCount()).toBe(0);
    expect(events).toEqual([]);
  });

  it('a stopped JWKS cache does not keep a process alive', async () => {
    const module = new URL('../../../src/token/jwks-cache.ts', import.meta.url).href;
    const script = `import { createJwksCache } from '${module}';
      await createJwksCache({ fetchKeys: async () => [] }).start();
      console.log('started');`;
    // The timer would keep the process alive for five minutes.
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 20 * SECOND,
    });
    expect(stdout).toBe('started\n');
  });
});
