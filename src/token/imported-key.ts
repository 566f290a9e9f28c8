/** From a published key to one that verifies. */
import type { CryptoKey } from 'jose';
import { importJWK } from 'jose';
import { type AsymmetricAlgorithm, usableKey } from './algorithm.ts';
import { type InPlaceKey, inPlaceKey } from './in-place.ts';
import type { PublishedKey } from './key-source.ts';

/** A public key with the one algorithm that it may verify. */
export interface ImportedKey {
  readonly kid: string;
  readonly algorithm: AsymmetricAlgorithm;
  readonly key: CryptoKey;
  /** The same key where it verifies without a promise. */
  readonly inPlace: InPlaceKey | null;
  /** Milliseconds since the epoch, grace included: from then on the key verifies nothing. Null when it does not expire. */
  readonly usableUntil: number | null;
}

// RFC 7518 section 3.3.
const MIN_RSA_BITS = 2048;

interface RsaParameters {
  readonly modulusLength: number;
  /** Without zeros in front. */
  readonly publicExponent: Uint8Array;
}

/** Why an RSA key proves nothing of who signed; null for one that does, and for keys of other kinds. */
const weakness = ({ modulusLength, publicExponent }: Partial<RsaParameters>): string | null => {
  if (modulusLength === undefined || publicExponent === undefined) return null;
  if (modulusLength < MIN_RSA_BITS) return `it has fewer than ${MIN_RSA_BITS} bits`;
  const last = publicExponent.at(-1) ?? 0;
  // RFC 8017 section 3.1: odd and at least 3. By the exponent 1 each message is its own signature.
  return last % 2 === 0 || (last === 1 && publicExponent.length === 1) ? 'its exponent is 1 or even' : null;
};

/**
 * Imports a key.
 * @param graceMs How long a key goes on verifying after it stopped signing.
 * @returns The key, or the reason why it cannot be used, for the log.
 */
export const importKey = async (published: PublishedKey, graceMs: number): Promise<ImportedKey | string> => {
  const { kid, expiresAt } = published;
  if (kid === '') return 'it has no kid';
  const usable = usableKey(published.jwk, published.alg, published.crv ?? null);
  if (usable.kind === 'refused') return usable.reason;
  const { algorithm, jwk } = usable;
  try {
    const key = await importJWK(jwk, algorithm, { extractable: false });
    if (key instanceof Uint8Array) return 'it is symmetric';
    const weak = weakness(key.algorithm as Partial<RsaParameters>);
    if (weak !== null) return weak;
    const usableUntil = expiresAt === null ? null : expiresAt + graceMs;
    return { kid, algorithm, key, inPlace: inPlaceKey(jwk, algorithm), usableUntil };
  } catch {
    // The reason is in the key's bytes, and no log needs those.
    return 'it cannot be imported';
  }
};
