/**
 * The checks of a token in their order: its form; its algorithm, and the key that allows it; its signature; its claims.
 * `docs/tokens.md` lists each of them.
 *
 * Nothing is kept from one token to the next. A cache keyed by signature would take a token with another payload for the
 * one that it saw before.
 */
import { createSecretKey } from 'node:crypto';
import { AssentError } from '../errors.ts';
import { isAsymmetricAlgorithm } from './algorithm.ts';
import { type ClaimRules, checkClaims } from './claims.ts';
import { type CompactToken, parseCompact } from './compact.ts';
import { verifyHmac } from './hmac.ts';
import type { ImportedKey } from './imported-key.ts';
import { parseJsonObject } from './json.ts';
import type { KeyFinder } from './key-set.ts';
import { stripBearer, type TokenVerifier, type VerifiedToken } from './principal.ts';
import { verifySignature } from './signature.ts';

/** Tokens that the monolith signs with a shared secret. */
export interface Hs256Options {
  /** Any of them verifies; the one that signs now should come first, since they are tried in order. */
  readonly secrets: readonly string[];
  /** Enforced unless null or absent. */
  readonly issuer?: string | null;
  /** Enforced unless null or absent. */
  readonly audience?: string | null;
}

/** Tokens that Better Auth's jwt plugin, or another issuer, signs with a key pair. */
export interface AsymmetricOptions {
  readonly keys: KeyFinder;
  readonly issuer: string;
  /** One of them has to be among the token's. */
  readonly audience: string | readonly string[];
}

/** Which tokens are taken; null: none of the family. */
export interface TokenVerifierOptions {
  readonly hs256: Hs256Options | null;
  readonly asymmetric: AsymmetricOptions | null;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** How the tokens of one family are verified. */
interface Family {
  readonly rules: ClaimRules;
  /** @throws AssentError when the signature does not verify. */
  payloadOf(token: CompactToken): Uint8Array | Promise<Uint8Array>;
}

const MIN_SECRET_LENGTH = 32;

const algorithmRefused = (): AssentError =>
  new AssentError('TOKEN_ALGORITHM_REFUSED', "The token's algorithm is not accepted.");

/** An empty string would look like a check and compare with nothing that a token has: it is a mistake of configuration. */
const notEmpty = (name: string, value: string): string => {
  if (value === '') throw new Error(`The ${name} of tokens must not be empty.`);
  return value;
};

const hs256Family = ({ secrets, issuer = null, audience = null }: Hs256Options): Family => {
  if (secrets.length === 0) throw new Error('HS256 needs at least one secret.');
  if (secrets.some((secret) => secret.length < MIN_SECRET_LENGTH)) {
    throw new Error(`Every HS256 secret must have at least ${MIN_SECRET_LENGTH} characters.`);
  }
  const keys = secrets.map((secret) => createSecretKey(secret, 'utf8'));
  return {
    rules: {
      family: 'hs256',
      issuer: issuer === null ? null : notEmpty('issuer', issuer),
      audiences: audience === null ? null : [notEmpty('audience', audience)],
    },
    // Whatever kid the header names: it can never lead to a public key, whose bytes everybody knows.
    payloadOf: (token) => verifyHmac(token, keys),
  };
};

const verifyBy = (key: ImportedKey, token: CompactToken): Uint8Array | Promise<Uint8Array> => {
  if (key.algorithm !== token.alg) throw algorithmRefused();
  return verifySignature(token, key);
};

const asymmetricFamily = ({ keys, issuer, audience }: AsymmetricOptions): Family => {
  const audiences = (typeof audience === 'string' ? [audience] : audience).map((one) => notEmpty('audience', one));
  if (audiences.length === 0) throw new Error('Asymmetric tokens need at least one audience.');
  return {
    rules: { family: 'asymmetric', issuer: notEmpty('issuer', issuer), audiences },
    payloadOf: (token) => {
      const { kid } = token;
      if (kid === null || kid === '') throw new AssentError('TOKEN_KEY_UNKNOWN', 'The token names no key.');
      const found = keys.find(kid);
      return found instanceof Promise ? found.then((late) => verifyBy(late, token)) : verifyBy(found, token);
    },
  };
};

const judge = ({ typ }: CompactToken, payload: Uint8Array, rules: ClaimRules, now: () => number): VerifiedToken => {
  const claims = parseJsonObject(payload);
  if (claims === null) {
    throw new AssentError('TOKEN_MALFORMED', "The token's payload is not a JSON object with distinct members.");
  }
  return checkClaims(typ, claims, rules, now());
};

/**
 * Builds the verifier.
 * @throws Error for options that would leave a check out: no secret, a short one, an empty issuer or audience.
 */
export const createTokenVerifier = async ({
  hs256,
  asymmetric,
  now = Date.now,
}: TokenVerifierOptions): Promise<TokenVerifier> => {
  const sharedSecret = hs256 === null ? null : hs256Family(hs256);
  const keyPair = asymmetric === null ? null : asymmetricFamily(asymmetric);

  const familyOf = (alg: string): Family => {
    const family = alg === 'HS256' ? sharedSecret : isAsymmetricAlgorithm(alg) ? keyPair : null;
    if (family === null) throw algorithmRefused();
    return family;
  };

  return {
    verify: (text) => {
      const token = parseCompact(stripBearer(text));
      const { rules, payloadOf } = familyOf(token.alg);
      if (!token.hasSignature) throw new AssentError('TOKEN_MALFORMED', 'The token is not signed.');
      const payload = payloadOf(token);
      return payload instanceof Promise
        ? payload.then((late) => judge(token, late, rules, now))
        : judge(token, payload, rules, now);
    },
  };
};
