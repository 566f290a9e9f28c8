/**
 * The claims of a token whose signature has been verified. Pure: the time comes in.
 *
 * Order: what is no API token at all, the shape of each claim, the time, the issuer, the audience. The time comes before
 * the issuer because an expired token is the everyday refusal, and its bearer can do something about it.
 */
import { AssentError } from '../errors.ts';
import type { JsonObject } from './json.ts';
import type { Principal, VerifiedToken } from './principal.ts';

/** What a family of tokens has to say besides being signed. */
export interface ClaimRules {
  /** Who signs: the monolith's own code with the shared secret, or Better Auth's jwt plugin with a key pair. */
  readonly family: 'hs256' | 'asymmetric';
  /** Null: not looked at. */
  readonly issuer: string | null;
  /** One of these has to be among the token's. Null: not looked at. */
  readonly audiences: readonly string[] | null;
}

/** How far `iat` and `nbf` may lie ahead, for clocks that differ. `exp` has none: a token is never good for longer. */
const LEEWAY_SECONDS = 5;

/** The end of the year 9999, the last second that a protobuf Timestamp holds. Milliseconds by mistake lie beyond it. */
const MAX_SECONDS = 253_402_300_799;

const SESSION_CACHE_TYPE = 'better-auth.session-cache+jwt';
const SESSION_CACHE_AUDIENCE = 'better-auth:session-cache';

/** Better Auth signs links to e-mail addresses, and session cookies, with the same secret. Only they have these. */
const FOREIGN_CLAIMS = ['updateTo', 'requestType', 'session', 'user'];

const invalid = (problem: string): AssentError => new AssentError('TOKEN_CLAIMS_INVALID', `The token's ${problem}.`);

// A NUL is nothing that Postgres can store, and half a surrogate pair is nothing that UTF-8 can carry: neither can be
// the id of anybody, and both make trouble further in.
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.isWellFormed() && !value.includes('\0');

const requiredText = (payload: JsonObject, name: string): string => {
  const value = payload[name];
  if (!isText(value)) throw invalid(`claim ${name} must be a string`);
  return value;
};

/** Null counts as absent: it is what Better Auth has for a user without a role and a session without an organization. */
const optionalText = (payload: JsonObject, name: string): string => {
  const value = payload[name] ?? '';
  if (!isText(value)) throw invalid(`claim ${name} must be a string when present`);
  return value;
};

const requiredSeconds = (payload: JsonObject, name: string): number => {
  const value = payload[name];
  // JSON has no NaN, but 1e999 parses as Infinity.
  if (typeof value !== 'number' || !(value >= 0 && value <= MAX_SECONDS)) {
    throw invalid(`claim ${name} must be a number of seconds since 1970`);
  }
  return value;
};

const optionalSeconds = (payload: JsonObject, name: string): number | null =>
  payload[name] === undefined ? null : requiredSeconds(payload, name);

const audiencesOf = ({ aud }: JsonObject): readonly unknown[] => (Array.isArray(aud) ? aud : [aud]);

const refuseSessionCookie = (typ: string | null, payload: JsonObject): void => {
  // RFC 7515 section 4.1.9: a media type, compared without case, whose `application/` may be left out.
  const type = typ?.toLowerCase().replace(/^application\//, '');
  if (type === SESSION_CACHE_TYPE || audiencesOf(payload).includes(SESSION_CACHE_AUDIENCE)) {
    throw invalid('kind is that of a session cookie, not of an API token');
  }
};

const hs256Principal = (payload: JsonObject): Principal => {
  const foreign = FOREIGN_CLAIMS.find((name) => Object.hasOwn(payload, name));
  if (foreign !== undefined) throw invalid(`claim ${foreign} is that of a link or cookie, not of an API token`);
  const userId = requiredText(payload, 'userId');
  if (userId === '') throw invalid('claim userId must not be empty');
  const { isActive } = payload;
  if (typeof isActive !== 'boolean') throw invalid('claim isActive must be a boolean');
  return {
    userId,
    email: requiredText(payload, 'email'),
    role: requiredText(payload, 'role'),
    organizationId: optionalText(payload, 'organizationId'),
    organizationRole: optionalText(payload, 'orgRole'),
    isActive,
  };
};

/**
 * `userId` is what the monolith's `definePayload` says, and wins over `sub`, which `getSubject` may turn into something
 * else than the id. But without `definePayload` the claims are the whole user, whose `id` is there as well: then a column of
 * the application that happens to be named `userId`, or a subject made of a name, would decide who somebody is, maybe one
 * that users choose themselves. Where `id` says another user, the token is refused.
 */
const asymmetricUserId = (payload: JsonObject): string => {
  const { userId: given, id = null } = payload;
  const userId = optionalText(payload, 'userId');
  const subject = optionalText(payload, 'sub');
  const isGiven = given !== undefined && given !== null;
  if (isGiven && userId === '') throw invalid('claim userId must not be empty');
  if (!isGiven && subject === '') throw invalid('claims userId and sub are both missing');
  const named = isGiven ? userId : subject;
  // Serial ids are numbers.
  const other = typeof id === 'number' ? String(id) : id;
  if (other !== null && other !== named) {
    throw invalid(`claims ${isGiven ? 'userId' : 'sub'} and id name different users`);
  }
  return named;
};

const asymmetricIsActive = ({ isActive, banned }: JsonObject): boolean => {
  if (isActive === undefined) return banned !== true;
  if (typeof isActive !== 'boolean') throw invalid('claim isActive must be a boolean when present');
  return isActive;
};

const asymmetricPrincipal = (payload: JsonObject): Principal => ({
  userId: asymmetricUserId(payload),
  email: optionalText(payload, 'email'),
  role: optionalText(payload, 'role'),
  organizationId: optionalText(payload, 'organizationId'),
  organizationRole: optionalText(payload, 'orgRole'),
  isActive: asymmetricIsActive(payload),
});

const checkTimes = (payload: JsonObject, nowMs: number): Pick<VerifiedToken, 'issuedAt' | 'expiresAt'> => {
  const expiresAt = requiredSeconds(payload, 'exp');
  const issuedAt = optionalSeconds(payload, 'iat');
  const notBefore = optionalSeconds(payload, 'nbf');
  const now = nowMs / 1000;
  if (now >= expiresAt) throw new AssentError('TOKEN_EXPIRED', 'The token has expired.');
  if (Math.max(issuedAt ?? 0, notBefore ?? 0) > now + LEEWAY_SECONDS) {
    throw new AssentError('TOKEN_NOT_YET_VALID', 'The token is not valid yet.');
  }
  return { issuedAt, expiresAt };
};

/**
 * Judges the claims of a verified token.
 * @param typ The header's type, null when it has none.
 * @param nowMs Milliseconds since the epoch.
 * @throws AssentError TOKEN_CLAIMS_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_ISSUER_MISMATCH or
 *   TOKEN_AUDIENCE_MISMATCH
 */
export const checkClaims = (
  typ: string | null,
  payload: JsonObject,
  { family, issuer, audiences }: ClaimRules,
  nowMs: number,
): VerifiedToken => {
  refuseSessionCookie(typ, payload);
  const principal = family === 'hs256' ? hs256Principal(payload) : asymmetricPrincipal(payload);
  const times = checkTimes(payload, nowMs);
  const { iss } = payload;
  if (issuer !== null && iss !== issuer) {
    throw new AssentError('TOKEN_ISSUER_MISMATCH', 'The token was issued by somebody else.');
  }
  if (audiences !== null && !audiencesOf(payload).some((aud) => typeof aud === 'string' && audiences.includes(aud))) {
    throw new AssentError('TOKEN_AUDIENCE_MISMATCH', 'The token is meant for somebody else.');
  }
  return { principal, ...times };
};
