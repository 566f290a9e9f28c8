/** The one place where a signature is verified, and where jose's errors become ours. */
import { type CryptoKey, compactVerify, errors } from 'jose';
import { AssentError, type TokenErrorCode } from '../errors.ts';
import type { CompactToken } from './compact.ts';

// The checks before this call leave only the first of these to happen; the others are here so that a difference between
// our reading of a token and jose's is a refusal and not INTERNAL. Anything else that is thrown is a defect.
const REFUSALS: ReadonlyMap<string, TokenErrorCode> = new Map([
  [errors.JWSSignatureVerificationFailed.code, 'TOKEN_SIGNATURE_INVALID'],
  [errors.JOSEAlgNotAllowed.code, 'TOKEN_ALGORITHM_REFUSED'],
  [errors.JOSENotSupported.code, 'TOKEN_ALGORITHM_REFUSED'],
  [errors.JWSInvalid.code, 'TOKEN_MALFORMED'],
]);

const verifyWith = async (
  token: CompactToken,
  key: CryptoKey,
  algorithm: string,
): Promise<Uint8Array | TokenErrorCode> => {
  try {
    return (await compactVerify(token.text, key, { algorithms: [algorithm] })).payload;
  } catch (error) {
    const code = error instanceof errors.JOSEError ? REFUSALS.get(error.code) : undefined;
    if (code === undefined) throw error;
    return code;
  }
};

/**
 * Verifies a token against keys, any of which may have signed it.
 * @param algorithm What the keys are for, whatever the token's header says.
 * @returns The payload.
 * @throws AssentError TOKEN_SIGNATURE_INVALID when no key fits.
 */
export const verifySignature = async (
  token: CompactToken,
  keys: readonly CryptoKey[],
  algorithm: string,
): Promise<Uint8Array> => {
  for (const key of keys) {
    const result = await verifyWith(token, key, algorithm);
    if (result instanceof Uint8Array) return result;
    if (result !== 'TOKEN_SIGNATURE_INVALID') throw new AssentError(result, 'The token cannot be verified.');
  }
  throw new AssentError('TOKEN_SIGNATURE_INVALID', "The token's signature does not verify.");
};
