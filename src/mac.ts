/** Message authentication codes of data that comes back from outside: page tokens, entries in Redis. */
import { createHmac, createSecretKey, hkdfSync, type KeyObject, timingSafeEqual } from 'node:crypto';

export interface Mac {
  /** The code of a text by the newest key: 43 characters of base64url. */
  sign(text: string): string;
  /** Whether a code is that of this text by any of the keys. */
  verify(text: string, code: string): boolean;
}

/**
 * HMAC-SHA256 with keys derived for one purpose, so that a code for one purpose is none for another.
 * @param keys Secrets of at least 32 characters, newest first; at least one.
 * @param purpose Names the purpose and its version.
 */
export function createMac(keys: readonly string[], purpose: string): Mac {
  // A KeyObject: bytes would be made one at each call, which takes seven times as long as the code itself.
  const derived = keys.map((key) => createSecretKey(Buffer.from(hkdfSync('sha256', key, '', purpose, 32))));
  const [newest] = derived;
  if (newest === undefined) throw new Error('a MAC needs a key');
  return {
    sign: (text) => codeOf(newest, text),
    verify: (text, code) => {
      const given = Buffer.from(code);
      return derived.some((key) => {
        const expected = Buffer.from(codeOf(key, text));
        return given.length === expected.length && timingSafeEqual(given, expected);
      });
    },
  };
}

function codeOf(key: KeyObject, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url');
}
