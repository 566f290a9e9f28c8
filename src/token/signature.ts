/** Where the signature of a published key is verified, and where jose's errors become ours. */
import { compactVerify, errors } from 'jose';
import { AssentError, type TokenErrorCode } from '../errors.ts';
import { type CompactToken, signatureInvalid } from './compact.ts';
import type { ImportedKey } from './imported-key.ts';
import { verifyInPlace } from './in-place.ts';

// The checks before this call leave only the first of these to happen; the others are here so that a difference between
// our reading of a token and jose's is a refusal and not INTERNAL. Anything else that is thrown is a defect.
const REFUSALS: ReadonlyMap<string, TokenErrorCode> = new Map([
  [errors.JWSSignatureVerificationFailed.code, 'TOKEN_SIGNATURE_INVALID'],
  [errors.JOSEAlgNotAllowed.code, 'TOKEN_ALGORITHM_REFUSED'],
  [errors.JOSENotSupported.code, 'TOKEN_ALGORITHM_REFUSED'],
  [errors.JWSInvalid.code, 'TOKEN_MALFORMED'],
]);

const verifyByJose = async ({ text }: CompactToken, { key, algorithm }: ImportedKey): Promise<Uint8Array> => {
  try {
    return (await compactVerify(text, key, { algorithms: [algorithm] })).payload;
  } catch (error) {
    const code = error instanceof errors.JOSEError ? REFUSALS.get(error.code) : undefined;
    if (code === undefined) throw error;
    throw code === 'TOKEN_SIGNATURE_INVALID'
      ? signatureInvalid()
      : new AssentError(code, 'The token cannot be verified.');
  }
};

/**
 * Verifies a token against the key that it names, by the algorithm that the key is for; at once where that is cheap.
 * @returns The payload.
 * @throws AssentError TOKEN_SIGNATURE_INVALID when it does not fit; or rejects with it.
 */
export const verifySignature = (token: CompactToken, key: ImportedKey): Uint8Array | Promise<Uint8Array> =>
  key.inPlace === null ? verifyByJose(token, key) : verifyInPlace(token, key.inPlace);
