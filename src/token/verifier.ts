/**
 * The checks of a token in their order: its form; its algorithm, and the key that allows it; its signature; its claims.
 * `docs/use/tokens.md` lists each of them.
 *
 * Nothing is kept from one token to the next. A cache keyed by signature would take a token with another payload for the
 * one that it saw before.
 */
import { createSecretKey } from 'node:crypto';
import { andThen } from '../and-then.ts';
import { AssentError } from '../errors.ts';
import { type ClaimRules, checkClaims, ID_CLAIMS, issuerMismatch } from './claims.ts';
import { asymmetricAlgorithm, type VerificationKey } from './jwk.ts';
import type { KeyFinder } from './jwks-cache.ts';
import { type JsonObject, type Jws, parseJsonObject, parseJws, signedParts } from './jws.ts';
import type { TokenType } from './kind.ts';
import { stripBearer, type TokenVerifier, type VerifiedToken } from './principal.ts';
import { verifyHmac, verifySignature } from './signature.ts';

/** Tokens that the application signs with a shared secret. */
export interface Hs256Options {
  /** Any of them verifies. They are tried in order, so the current signing key should come first. */
  readonly secrets: readonly string[];
  /** Enforced unless null or absent. */
  readonly issuer?: string | null;
  /** One of them has to be among the token's. Enforced unless null or absent. */
  readonly audiences?: readonly string[] | null;
  /** The accepted kinds; JWT when absent. */
  readonly types?: readonly TokenType[];
}

/** Tokens that one issuer, Better Auth's jwt plugin for one, signs with its key pairs. */
export interface IssuerOptions {
  /** The value that `iss` must have. */
  readonly issuer: string;
  /** The keys of this issuer. They verify no token of another issuer. */
  readonly keys: KeyFinder;
  /** One of them has to be among the token's. */
  readonly audiences: readonly string[];
  /** The accepted kinds; JWT when absent. */
  readonly types?: readonly TokenType[];
}

/** The accepted tokens. */
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
      const token = parseJws(stripBearer(text));
      const choose = token.alg === 'HS256' ? bySecret : asymmetricAlgorithm(token.alg) === null ? null : byKeyPair;
      if (choose === null) throw algorithmRefused();
      if (!token.hasSignature) throw new AssentError('TOKEN_MALFORMED', 'The token is not signed.');
      const { rules, payloadOf } = choose(token);
      return andThen(
        payloadOf(token),
        (payload): VerifiedToken => checkClaims(token.typ, claimsOf(payload), rules, now()),
      );
    },
  };
}

/** The signer of a token, with the rules for its claims. */
interface Signer {
  readonly rules: ClaimRules;
  /** @throws AssentError when the signature does not verify. */
  payloadOf(token: Jws): Uint8Array | Promise<Uint8Array>;
}

/** Chooses the possible signer of a token, before any key is used. */
type Choose = (token: Jws) => Signer;

const MIN_SECRET_LENGTH = 32;

function always(signer: Signer): Choose {
  return () => signer;
}

/**
 * With several issuers the `iss` of the token chooses the keys. A token of no configured issuer is refused before any key is
 * tried or fetched. A single issuer needs no choice: its name is checked with the other claims.
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
    // The kid of the header is ignored: it must never lead to a public key, whose bytes are known to an attacker.
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
      return andThen(keys.find(kid), (key) => verifyBy(key, token));
    },
  };
}

function verifyBy(key: VerificationKey, token: Jws): Uint8Array | Promise<Uint8Array> {
  if (key.algorithm !== asymmetricAlgorithm(token.alg)) throw algorithmRefused();
  return verifySignature(token, key);
}

function claimsOf(payload: Uint8Array): JsonObject {
  const claims = parseJsonObject(payload, ID_CLAIMS);
  if (claims !== null) return claims;
  throw new AssentError('TOKEN_MALFORMED', "The token's payload is not a JSON object with distinct members.");
}

function algorithmRefused(): AssentError {
  return new AssentError('TOKEN_ALGORITHM_REFUSED', "The token's algorithm is not accepted.");
}

/** An empty value is a mistake of the configuration: it looks like a check and matches no token. */
function notEmpty<Text extends string>(name: string, value: Text): Text {
  if (value === '') throw new Error(`The ${name} of tokens must not be empty.`);
  return value;
}

function someOf<Text extends string>(name: string, values: readonly Text[]): readonly Text[] {
  if (values.length === 0) throw new Error(`Tokens need at least one ${name}.`);
  return values.map((value) => notEmpty(name, value));
}
