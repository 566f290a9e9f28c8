/** Where the signature of a published key is verified, and where jose's errors become ours. */
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

/**
 * Verifies a token against the key that it names.
 * @param algorithm What the key is for, whatever the token's header says.
 * @returns The payload.
 * @throws AssentError TOKEN_SIGNATURE_INVALID when it does not fit.
 */
export const verifySignature = async (token: CompactToken, key: CryptoKey, algorithm: string): Promise<Uint8Array> => {
  try {
    return (await compactVerify(token.text, key, { algorithms: [algorithm] })).payload;
  } catch (error) {
    const code = error instanceof errors.JOSEError ? REFUSALS.get(error.code) : undefined;
    if (code === undefined) throw error;
    throw code === 'TOKEN_SIGNATURE_INVALID'
      ? new AssentError(code, "The token's signature does not verify.")
      : new AssentError(code, 'The token cannot be verified.');
  }
};
