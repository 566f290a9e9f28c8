/**
 * From a published JWK to a verification key: a public key and the one algorithm that it may verify. The key decides the
 * algorithm, never the token's header alone: an attacker writes the header. A refused key gives a reason for the log.
 */
import { constants, createPublicKey, type KeyObject, type VerifyKeyObjectInput } from 'node:crypto';
import { type CryptoKey, importJWK } from 'jose';
import type { JsonObject } from './jws.ts';

/** A public key as an issuer publishes it. */
export interface PublishedKey {
  /** Empty when the issuer gives none; such a key is skipped. */
  readonly kid: string;
  /** A public JWK, maybe without kid and alg. Its private members are never read. */
  readonly jwk: JsonObject;
  /** The column beside the JWK in Better Auth's table; null when there is none. */
  readonly alg: string | null;
  /** As `alg`. */
  readonly crv?: string | null;
  /** Milliseconds since the epoch, without any grace; null when the key does not expire. */
  readonly expiresAt: number | null;
}

/** A public key with the one algorithm that it may verify. */
export interface VerificationKey {
  readonly kid: string;
  readonly algorithm: AsymmetricAlgorithm;
  readonly key: CryptoKey;
  /** The same key for synchronous verification; null for a key that takes long. */
  readonly synchronous: SynchronousKey | null;
  /** Milliseconds since the epoch, grace included: from then on the key verifies nothing. Null when it does not expire. */
  readonly usableUntil: number | null;
}

/** A key as `crypto.verify` takes it. */
export interface SynchronousKey {
  /** Null where the algorithm includes its hash. */
  readonly hash: 'sha256' | null;
  /** A bare KeyObject where the algorithm needs no options: an options object costs Node 10 us a call. */
  readonly input: KeyObject | VerifyKeyObjectInput;
  /** The exact length: OpenSSL accepts some RSA signatures without their leading zeros. */
  readonly signatureBytes: number;
}

/**
 * Imports a key.
 * @param graceMs How long a key goes on verifying after its `expiresAt`, at which it stops signing. In milliseconds.
 * @returns The key, or the reason for the log why it cannot be used.
 */
export async function importVerificationKey(
  published: PublishedKey,
  graceMs: number,
): Promise<VerificationKey | string> {
  const { kid, expiresAt } = published;
  if (kid === '') return 'it has no kid';
  const usable = usableJwk(published.jwk, published.alg, published.crv ?? null);
  if (usable.kind === 'refused') return usable.reason;
  const { algorithm, jwk } = usable;
  try {
    const key = await importJWK(jwk, algorithm, { extractable: false });
    if (key instanceof Uint8Array) return 'it is symmetric';
    const weak = weakness(key.algorithm as Partial<RsaParameters>);
    if (weak !== null) return weak;
    const usableUntil = expiresAt === null ? null : expiresAt + graceMs;
    return { kid, algorithm, key, synchronous: synchronousKey(jwk, algorithm), usableUntil };
  } catch {
    // The message of the error repeats bytes of the key, which do not belong in a log.
    return 'it cannot be imported';
  }
}

interface Requirement {
  readonly kty: string;
  /** Null where the key type has no curves. */
  readonly crv: string | null;
  /** The members of a public JWK; a private one is never read. */
  readonly members: readonly string[];
}

const OKP = ['kty', 'crv', 'x'];
const EC = ['kty', 'crv', 'x', 'y'];
const RSA = ['kty', 'n', 'e'];

const REQUIREMENTS = {
  EdDSA: { kty: 'OKP', crv: 'Ed25519', members: OKP },
  ES256: { kty: 'EC', crv: 'P-256', members: EC },
  ES384: { kty: 'EC', crv: 'P-384', members: EC },
  ES512: { kty: 'EC', crv: 'P-521', members: EC },
  RS256: { kty: 'RSA', crv: null, members: RSA },
  PS256: { kty: 'RSA', crv: null, members: RSA },
} as const satisfies Record<string, Requirement>;

/** The asymmetric algorithms that are accepted. */
export type AsymmetricAlgorithm = keyof typeof REQUIREMENTS;

/** All of them, for documentation and tests. */
export const asymmetricAlgorithms = Object.keys(REQUIREMENTS) as readonly AsymmetricAlgorithm[];

/** EdDSA is accepted with Ed25519 only, for which RFC 9864 adds the name `Ed25519`. */
const BY_NAME: ReadonlyMap<string, AsymmetricAlgorithm> = new Map([
  ...asymmetricAlgorithms.map((name) => [name, name] as const),
  ['Ed25519', 'EdDSA'],
]);

/** The asymmetric algorithm that a token or a key names; null when it is not accepted. */
export function asymmetricAlgorithm(alg: string): AsymmetricAlgorithm | null {
  return BY_NAME.get(alg) ?? null;
}

/** A public JWK that can be imported, or the reason why it cannot. */
export type UsableJwk =
  | { readonly kind: 'usable'; readonly algorithm: AsymmetricAlgorithm; readonly jwk: Readonly<Record<string, string>> }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Decides the algorithm that a published key may verify. Pure.
 * @param published A JWK, maybe without alg; a row of Better Auth's table keeps alg and crv beside it.
 * @param alg The algorithm beside the JWK, if any.
 * @param crv The curve beside the JWK, taken only when the JWK has none.
 */
export function usableJwk(published: JsonObject, alg: string | null, crv: string | null = null): UsableJwk {
  const jwk = published['crv'] === undefined && crv !== null ? { ...published, crv } : published;
  const { kty, use, key_ops: operations } = jwk;
  // A published symmetric key is no secret: every reader of the set can sign with it.
  if (kty === 'oct') return refused('it is symmetric');
  if (use !== undefined && use !== 'sig') return refused('its use is not sig');
  if (operations !== undefined && !isForSignatures(operations)) return refused('its key_ops are not for signatures');
  const declared = declaredAlgorithm(jwk, alg);
  if ('reason' in declared) return refused(declared.reason);
  // RS256, PS256 and others fit the same RSA key. To choose one here would let the token's header choose.
  if (declared.alg === null && kty === 'RSA') return refused('it is an RSA key without an alg');
  const algorithm = declared.alg === null ? impliedAlgorithm(kty, jwk['crv']) : asymmetricAlgorithm(declared.alg);
  if (algorithm === undefined) return refused('no accepted algorithm fits its kty and crv');
  if (algorithm === null) return refused('its alg is not accepted');
  const requirement: Requirement = REQUIREMENTS[algorithm];
  if (requirement.kty !== kty || (requirement.crv !== null && requirement.crv !== jwk['crv'])) {
    return refused('its kty and crv do not fit its alg');
  }
  const members = publicMembers(jwk, requirement.members);
  if (members === null) return refused('a member of the public key is missing');
  return { kind: 'usable', algorithm, jwk: members };
}

function refused(reason: string): UsableJwk {
  return { kind: 'refused', reason };
}

/** `sign` is the operation of the private key; publishers that strip the private members leave it in. */
function isForSignatures(operations: unknown): boolean {
  return Array.isArray(operations) && (operations.includes('verify') || operations.includes('sign'));
}

/** @param alg The column beside the JWK, null when there is none. */
function declaredAlgorithm(jwk: JsonObject, alg: string | null): { alg: string | null } | { reason: string } {
  const { alg: own = null } = jwk;
  if (own !== null && typeof own !== 'string') return { reason: 'its alg is not a string' };
  // Two different algorithms for one key: neither can be trusted.
  if (own !== null && alg !== null && canonicalName(own) !== canonicalName(alg)) {
    return { reason: 'it is published with two algorithms' };
  }
  return { alg: alg ?? own };
}

function canonicalName(alg: string): string {
  return asymmetricAlgorithm(alg) ?? alg;
}

function impliedAlgorithm(kty: unknown, crv: unknown): AsymmetricAlgorithm | undefined {
  return asymmetricAlgorithms.find((name) => {
    const requirement = REQUIREMENTS[name];
    return requirement.crv !== null && requirement.kty === kty && requirement.crv === crv;
  });
}

function publicMembers(jwk: JsonObject, names: readonly string[]): Readonly<Record<string, string>> | null {
  const members: Record<string, string> = {};
  for (const name of names) {
    const value = jwk[name];
    if (typeof value !== 'string') return null;
    members[name] = value;
  }
  return members;
}

// RFC 7518 section 3.3.
const MIN_RSA_BITS = 2048;

interface RsaParameters {
  readonly modulusLength: number;
  /** Without leading zeros. */
  readonly publicExponent: Uint8Array;
}

/** Why a signature by this RSA key proves nothing; null for a sound one and for keys of other types. */
function weakness({ modulusLength, publicExponent }: Partial<RsaParameters>): string | null {
  if (modulusLength === undefined || publicExponent === undefined) return null;
  if (modulusLength < MIN_RSA_BITS) return `it has fewer than ${MIN_RSA_BITS} bits`;
  const last = publicExponent.at(-1) ?? 0;
  // RFC 8017 section 3.1: odd and at least 3. With the exponent 1 each message is its own signature.
  return last % 2 === 0 || (last === 1 && publicExponent.length === 1) ? 'its exponent is 1 or even' : null;
}

/** The key for synchronous verification; null where one verification takes 100 us or more. */
function synchronousKey(jwk: Readonly<Record<string, string>>, algorithm: AsymmetricAlgorithm): SynchronousKey | null {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  switch (algorithm) {
    case 'EdDSA':
      return { hash: null, input: key, signatureBytes: 64 };
    case 'ES256':
      // RFC 7518 section 3.4: both numbers in full, not DER.
      return { hash: 'sha256', input: { key, dsaEncoding: 'ieee-p1363' }, signatureBytes: 64 };
    case 'RS256':
      // RSASSA-PKCS1-v1_5 is the default of an RSA key.
      return synchronousRsaKey(key, key);
    case 'PS256':
      // RFC 7518 section 3.5: the salt is as long as the hash.
      return synchronousRsaKey(key, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
    default:
      return null;
  }
}

const MAX_SYNCHRONOUS_RSA_BITS = 4096;

/** Real keys use 65537. The time of a verification grows with the exponent, which the issuer chooses. */
const MAX_SYNCHRONOUS_RSA_EXPONENT = 65_537n;

function synchronousRsaKey(key: KeyObject, input: SynchronousKey['input']): SynchronousKey | null {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength > MAX_SYNCHRONOUS_RSA_BITS || publicExponent > MAX_SYNCHRONOUS_RSA_EXPONENT) return null;
  return { hash: 'sha256', input, signatureBytes: Math.ceil(modulusLength / 8) };
}
