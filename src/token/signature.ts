/**
 * Verification of a token's signature. HS256, EdDSA, ES256 and RSA keys of up to 4096 bits are verified synchronously by
 * `node:crypto`: one verification takes less than 100 us. jose verifies by WebCrypto, which hands each call to a thread and
 * back. That takes 20 us instead of 2 us for HS256, and costs the event loop more than it gains (Node works on it:
 * https://github.com/nodejs/node/pull/63595). ES384, ES512 and larger keys take half a millisecond and more, and go to jose.
 * Property tests compare both implementations with jose.
 */
import { createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto';
import { compactVerify, errors } from 'jose';
import { AssentError, type TokenErrorCode } from '../errors.ts';
import type { SynchronousKey, VerificationKey } from './jwk.ts';
import { type Jws, signedParts } from './jws.ts';

/**
 * Verifies a token of {@link parseJws} with the key that it names, by the algorithm of the key. The result is there at once
 * for a key that verifies synchronously.
 * @returns The payload.
 * @throws AssentError TOKEN_SIGNATURE_INVALID, or rejects with it.
 */
export function verifySignature(token: Jws, key: VerificationKey): Uint8Array | Promise<Uint8Array> {
  return key.synchronous === null ? verifyByJose(token, key) : verifySynchronously(token, key.synchronous);
}

/**
 * Verifies an HS256 token of {@link parseJws} with shared secrets. Any of them may have signed it.
 * @returns The payload.
 * @throws AssentError TOKEN_SIGNATURE_INVALID when no secret fits.
 */
export function verifyHmac(token: Jws, secrets: readonly KeyObject[]): Uint8Array {
  const { signed, signature, payload } = signedParts(token);
  for (const secret of secrets) {
    const digest = createHmac('sha256', secret).update(signed).digest();
    if (signature.length === digest.length && timingSafeEqual(signature, digest)) {
      return Buffer.from(payload, 'base64url');
    }
  }
  throw signatureInvalid();
}

function verifySynchronously(token: Jws, { hash, input, signatureBytes }: SynchronousKey): Uint8Array {
  const { signed, signature, payload } = signedParts(token);
  const fits = signature.length === signatureBytes && verify(hash, Buffer.from(signed), input, signature);
  if (!fits) throw signatureInvalid();
  return Buffer.from(payload, 'base64url');
}

// After the checks of `parseJws` and of the key, only the first of these can happen. The others make a difference between
// this parser and jose a refusal instead of INTERNAL. Any other error is a defect.
const REFUSALS: ReadonlyMap<string, TokenErrorCode> = new Map([
  [errors.JWSSignatureVerificationFailed.code, 'TOKEN_SIGNATURE_INVALID'],
  [errors.JOSEAlgNotAllowed.code, 'TOKEN_ALGORITHM_REFUSED'],
  [errors.JOSENotSupported.code, 'TOKEN_ALGORITHM_REFUSED'],
  [errors.JWSInvalid.code, 'TOKEN_MALFORMED'],
]);

async function verifyByJose({ text }: Jws, { key, algorithm }: VerificationKey): Promise<Uint8Array> {
  try {
    return (await compactVerify(text, key, { algorithms: [algorithm] })).payload;
  } catch (error) {
    const code = error instanceof errors.JOSEError ? REFUSALS.get(error.code) : undefined;
    if (code === undefined) throw error;
    throw code === 'TOKEN_SIGNATURE_INVALID'
      ? signatureInvalid()
      : new AssentError(code, 'The token cannot be verified.');
  }
}

function signatureInvalid(): AssentError {
  return new AssentError('TOKEN_SIGNATURE_INVALID', "The token's signature does not verify.");
}
