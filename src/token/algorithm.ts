/**
 * Which algorithm a public key allows. The key decides, never the token's header alone: an attacker writes the header.
 * Pure; the reasons of a refusal go to the log.
 */
import type { JsonObject } from './json.ts';

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

/** The other name of an algorithm: EdDSA is accepted with Ed25519 only, which is its name by RFC 9864 since then. */
const BY_NAME: ReadonlyMap<string, AsymmetricAlgorithm> = new Map([
  ...asymmetricAlgorithms.map((name) => [name, name] as const),
  ['Ed25519', 'EdDSA'],
]);

/** The asymmetric algorithm that a token or a key names; null when it is not accepted. */
export const asymmetricAlgorithm = (alg: string): AsymmetricAlgorithm | null => BY_NAME.get(alg) ?? null;

/** A public key that can be imported, or why there is none. */
export type UsableKey =
  | { readonly kind: 'usable'; readonly algorithm: AsymmetricAlgorithm; readonly jwk: Readonly<Record<string, string>> }
  | { readonly kind: 'refused'; readonly reason: string };

const refused = (reason: string): UsableKey => ({ kind: 'refused', reason });

const canonical = (alg: string): string => asymmetricAlgorithm(alg) ?? alg;

/** @param alg What the row beside the JWK says, null when it says nothing. */
const declaredAlgorithm = (jwk: JsonObject, alg: string | null): { alg: string | null } | { reason: string } => {
  const { alg: own = null } = jwk;
  if (own !== null && typeof own !== 'string') return { reason: 'its alg is not a string' };
  // Two answers to what a key is for are none.
  if (own !== null && alg !== null && canonical(own) !== canonical(alg)) {
    return { reason: 'it is published with two algorithms' };
  }
  return { alg: alg ?? own };
};

const impliedAlgorithm = (kty: unknown, crv: unknown): AsymmetricAlgorithm | undefined =>
  asymmetricAlgorithms.find((name) => {
    const requirement = REQUIREMENTS[name];
    return requirement.crv !== null && requirement.kty === kty && requirement.crv === crv;
  });

const publicMembers = (jwk: JsonObject, names: readonly string[]): Readonly<Record<string, string>> | null => {
  const members: Record<string, string> = {};
  for (const name of names) {
    const value = jwk[name];
    if (typeof value !== 'string') return null;
    members[name] = value;
  }
  return members;
};

/**
 * Decides what a published key may verify.
 * @param published A JWK, maybe without alg; a row of Better Auth's table keeps alg and crv beside it.
 * @param alg The algorithm beside the JWK, if any.
 * @param crv The curve beside the JWK, taken only when the JWK has none.
 */
export const usableKey = (published: JsonObject, alg: string | null, crv: string | null = null): UsableKey => {
  const jwk = published['crv'] === undefined && crv !== null ? { ...published, crv } : published;
  const { kty, use, key_ops: operations } = jwk;
  // A symmetric key in a published set is known to everybody: whatever it signs, anybody could have.
  if (kty === 'oct') return refused('it is symmetric');
  if (use !== undefined && use !== 'sig') return refused('its use is not sig');
  // `sign` is that of the other half, left in by who took the private members out.
  const isForSignatures = (list: unknown): boolean =>
    Array.isArray(list) && (list.includes('verify') || list.includes('sign'));
  if (operations !== undefined && !isForSignatures(operations)) return refused('its key_ops are not for signatures');
  const declared = declaredAlgorithm(jwk, alg);
  if ('reason' in declared) return refused(declared.reason);
  // RS256, PS256 and more fit the same RSA key: choosing one would let the header choose.
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
};
