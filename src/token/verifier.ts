/**
 * The checks of a token in their order: its form; its algorithm, and the key that allows it; its signature; its claims.
 * `docs/use/tokens.md` lists each of them.
 *
 * Nothing is kept from one token to the next. A cache keyed by signature would take a token with another payload for the
 * one that it saw before.
 */
import { createSecretKey } from 'node:crypto';
import { AssentError } from '../errors.ts';
import { asymmetricAlgorithm } from './algorithm.ts';
import { type ClaimRules, checkClaims, ID_CLAIMS, issuerMismatch } from './claims.ts';
import { type CompactToken, parseCompact, signedParts } from './compact.ts';
import { verifyHmac } from './hmac.ts';
import type { ImportedKey } from './imported-key.ts';
import { type JsonObject, parseJsonObject } from './json.ts';
import type { KeyFinder } from './key-set.ts';
import type { TokenType } from './kind.ts';
import { stripBearer, type TokenVerifier, type VerifiedToken } from './principal.ts';
import { verifySignature } from './signature.ts';

/** Tokens that the application signs with a shared secret. */
export interface Hs256Options {
  /** Any of them verifies; the one that signs now should come first, since they are tried in order. */
  readonly secrets: readonly string[];
  /** Enforced unless null or absent. */
  readonly issuer?: string | null;
  /** One of them has to be among the token's. Enforced unless null or absent. */
  readonly audiences?: readonly string[] | null;
  /** The kinds that are taken; JWT when absent. */
  readonly types?: readonly TokenType[];
}

/** Tokens that one issuer, Better Auth's jwt plugin for one, signs with its key pairs. */
export interface IssuerOptions {
  /** What `iss` must be. */
  readonly issuer: string;
  /** The keys of this issuer: they verify no token that names another one. */
  readonly keys: KeyFinder;
  /** One of them has to be among the token's. */
  readonly audiences: readonly string[];
  /** The kinds that are taken; JWT when absent. */
  readonly types?: readonly TokenType[];
}

/** Which tokens are taken. */
export interface TokenVerifierOptions {
  /** Null: no HS256 token. */
  readonly hs256: Hs256Options | null;
  /** Empty: no token signed with a published key. */
  readonly issuers: readonly IssuerOptions[];
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * Builds the verifier.
 * @throws Error for options that would leave a check out: no secret, a short one, an empty issuer or audience, no kind, an
 *   issuer twice.
 */
export function createTokenVerifier({ hs256, issuers, now = Date.now }: TokenVerifierOptions): TokenVerifier {
  const bySecret = hs256 === null ? null : always(secretSigner(hs256));
  const byKeyPair = issuers.length === 0 ? null : chooseByIssuer(issuers);
  return {
    verify: (text) => {
      const token = parseCompact(stripBearer(text));
      const choose = token.alg === 'HS256' ? bySecret : asymmetricAlgorithm(token.alg) === null ? null : byKeyPair;
      if (choose === null) throw algorithmRefused();
      if (!token.hasSignature) throw new AssentError('TOKEN_MALFORMED', 'The token is not signed.');
      const { rules, payloadOf } = choose(token);
      const payload = payloadOf(token);
      return payload instanceof Promise
        ? payload.then((late) => judge(token, late, rules, now))
        : judge(token, payload, rules, now);
    },
  };
}

/** How the tokens of one signer are verified. */
interface Signer {
  readonly rules: ClaimRules;
  /** @throws AssentError when the signature does not verify. */
  payloadOf(token: CompactToken): Uint8Array | Promise<Uint8Array>;
}

/** Who may have signed a token; decided before any key is used. */
type Choose = (token: CompactToken) => Signer;

const MIN_SECRET_LENGTH = 32;

function always(signer: Signer): Choose {
  return () => signer;
}

/**
 * Where there are several issuers, the token names its own, and is refused when it names none of them: no key is tried for
 * it, or even fetched. A single issuer needs no choice: its name is checked with the other claims.
 */
function chooseByIssuer(issuers: readonly IssuerOptions[]): Choose {
  const signers = new Map<unknown, Signer>(issuers.map((options) => [options.issuer, keyPairSigner(options)]));
  if (signers.size !== issuers.length) throw new Error('An issuer of tokens must not be there twice.');
  const [first] = signers.values();
  if (signers.size === 1 && first !== undefined) return always(first);
  return (token) => {
    const { iss } = claimsOf(Buffer.from(signedParts(token).payload, 'base64url'));
    const signer = signers.get(iss);
    if (signer === undefined) throw issuerMismatch();
    return signer;
  };
}

function secretSigner({ secrets, issuer = null, audiences = null, types = ['JWT'] }: Hs256Options): Signer {
  if (secrets.length === 0) throw new Error('HS256 needs at least one secret.');
  if (secrets.some((secret) => secret.length < MIN_SECRET_LENGTH)) {
    throw new Error(`Every HS256 secret must have at least ${MIN_SECRET_LENGTH} characters.`);
  }
  const keys = secrets.map((secret) => createSecretKey(secret, 'utf8'));
  return {
    rules: {
      family: 'hs256',
      issuer: issuer === null ? null : notEmpty('issuer', issuer),
      audiences: audiences === null ? null : someOf('audience', audiences),
      types: new Set(someOf('type', types)),
    },
    // Whatever kid the header names: it can never lead to a public key, whose bytes everybody knows.
    payloadOf: (token) => verifyHmac(token, keys),
  };
}

function keyPairSigner({ keys, issuer, audiences, types = ['JWT'] }: IssuerOptions): Signer {
  return {
    rules: {
      family: 'asymmetric',
      issuer: notEmpty('issuer', issuer),
      audiences: someOf('audience', audiences),
      types: new Set(someOf('type', types)),
    },
    payloadOf: (token) => {
      const { kid } = token;
      if (kid === null || kid === '') throw new AssentError('TOKEN_KEY_UNKNOWN', 'The token names no key.');
      const found = keys.find(kid);
      return found instanceof Promise ? found.then((late) => verifyBy(late, token)) : verifyBy(found, token);
    },
  };
}

function verifyBy(key: ImportedKey, token: CompactToken): Uint8Array | Promise<Uint8Array> {
  if (key.algorithm !== asymmetricAlgorithm(token.alg)) throw algorithmRefused();
  return verifySignature(token, key);
}

function judge({ typ }: CompactToken, payload: Uint8Array, rules: ClaimRules, now: () => number): VerifiedToken {
  return checkClaims(typ, claimsOf(payload), rules, now());
}

function claimsOf(payload: Uint8Array): JsonObject {
  const claims = parseJsonObject(payload, ID_CLAIMS);
  if (claims !== null) return claims;
  throw new AssentError('TOKEN_MALFORMED', "The token's payload is not a JSON object with distinct members.");
}

function algorithmRefused(): AssentError {
  return new AssentError('TOKEN_ALGORITHM_REFUSED', "The token's algorithm is not accepted.");
}

/** An empty string would look like a check and compare with nothing that a token has: it is a mistake of configuration. */
function notEmpty<Text extends string>(name: string, value: Text): Text {
  if (value === '') throw new Error(`The ${name} of tokens must not be empty.`);
  return value;
}

function someOf<Text extends string>(name: string, values: readonly Text[]): readonly Text[] {
  if (values.length === 0) throw new Error(`Tokens need at least one ${name}.`);
  return values.map((value) => notEmpty(name, value));
}
