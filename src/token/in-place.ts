/**
 * Signatures of key pairs without a promise, where one takes less than 100 us: EdDSA, ES256, and RSA of up to 4096 bits.
 * WebCrypto goes to a thread and back, which costs a call more than the event loop gains. ES384, ES512 and larger keys
 * take half a millisecond and more and stay with jose, which the tests hold this against.
 */
import { constants, createPublicKey, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto';
import type { AsymmetricAlgorithm } from './algorithm.ts';
import { type CompactToken, signatureInvalid, signedParts } from './compact.ts';

/** A key that verifies in place. */
export interface InPlaceKey {
  /** Null where the algorithm has its own. */
  readonly hash: 'sha256' | null;
  /** The key itself where the defaults are the algorithm's: Node takes an object around it apart for 10 us. */
  readonly input: KeyObject | VerifyKeyObjectInput;
  /** Exactly: OpenSSL itself takes some signatures of RSA without their leading zeros. */
  readonly signatureBytes: number;
}

const MAX_RSA_BITS = 4096;
/** What all keys in use have; a larger exponent takes as long as its issuer likes. */
const MAX_RSA_EXPONENT = 65_537n;

const rsa = (key: KeyObject, input: InPlaceKey['input']): InPlaceKey | null => {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength > MAX_RSA_BITS || publicExponent > MAX_RSA_EXPONENT) return null;
  return { hash: 'sha256', input, signatureBytes: Math.ceil(modulusLength / 8) };
};

/**
 * A key as it verifies in place by the one algorithm that it is for; null when it had better not.
 * @param jwk The public key.
 */
export const inPlaceKey = (
  jwk: Readonly<Record<string, string>>,
  algorithm: AsymmetricAlgorithm,
): InPlaceKey | null => {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  switch (algorithm) {
    case 'EdDSA':
      return { hash: null, input: key, signatureBytes: 64 };
    case 'ES256':
      // RFC 7518 section 3.4: both numbers in full, not DER.
      return { hash: 'sha256', input: { key, dsaEncoding: 'ieee-p1363' }, signatureBytes: 64 };
    case 'RS256':
      // RSASSA-PKCS1-v1_5 is what a key of this kind does without options.
      return rsa(key, key);
    case 'PS256':
      // RFC 7518 section 3.5: the salt is as long as the hash.
      return rsa(key, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    default:
      return null;
  }
};

/**
 * Verifies a token that {@link parseCompact} took apart.
 * @returns The payload.
 * @throws AssentError TOKEN_SIGNATURE_INVALID when the key does not fit.
 */
export const verifyInPlace = (token: CompactToken, { hash, input, signatureBytes }: InPlaceKey): Uint8Array => {
  const { signed, signature, payload } = signedParts(token);
  const fits = signature.length === signatureBytes && verify(hash, Buffer.from(signed), input, signature);
  if (!fits) throw signatureInvalid();
  return Buffer.from(payload, 'base64url');
};
