import type { JsonObject } from './json.ts';

/** A public key as somebody publishes it. */
export interface PublishedKey {
  /** Empty when the publisher gave none; such a key is skipped. */
  readonly kid: string;
  /** A public JWK, maybe without kid and alg. A private member is never read. */
  readonly jwk: JsonObject;
  /** What stands beside the JWK in Better Auth's table; null when nothing does. */
  readonly alg: string | null;
  /** As `alg`. */
  readonly crv?: string | null;
  /** Milliseconds since the epoch, without any grace; null when the key does not expire. */
  readonly expiresAt: number | null;
}

/** Wherever public keys come from: the `jwks` table, or a URL. */
export interface KeySource {
  /**
   * Reads all keys; a key that is not among them is no longer valid.
   * @param signal Aborted when nobody waits any more.
   * @throws Anything, when the keys cannot be read: what was known before stays.
   */
  fetchKeys(signal: AbortSignal): Promise<readonly PublishedKey[]>;
}
