/**
 * The claims of a token whose signature has been verified. Pure: the time comes in.
 *
 * Order: the kind of the token, the shape of each claim, the time, the issuer, the audience. The time comes before the
 * issuer because an expired token is the everyday refusal, and its bearer can do something about it.
 *
 * Without `definePayload` the claims are the row of the user, with the application's own columns. So null counts as absent,
 * and a claim that decides nothing is told as far as it can be told: no column costs everybody their token.
 */
import { AssentError } from '../errors.ts';
import type { JsonObject } from './jws.ts';
import { audiencesOf, checkKind, type TokenType } from './kind.ts';
import type { Client, Principal, VerifiedToken } from './principal.ts';

/** What a family of tokens has to say besides being signed. */
export interface ClaimRules {
  /** Who signs: the application's own code with the shared secret, or Better Auth's jwt plugin with a key pair. */
  readonly family: 'hs256' | 'asymmetric';
  /** Null: not looked at. */
  readonly issuer: string | null;
  /** One of these has to be among the token's. Null: not looked at. */
  readonly audiences: readonly string[] | null;
  /** The kinds that are taken. */
  readonly types: ReadonlySet<TokenType>;
}

/**
 * Judges the claims of a verified token.
 * @param typ The header's type, null when it has none.
 * @param nowMs Milliseconds since the epoch.
 * @throws AssentError TOKEN_CLAIMS_INVALID, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_ISSUER_MISMATCH or
 *   TOKEN_AUDIENCE_MISMATCH
 */
export function checkClaims(
  typ: string | null,
  payload: JsonObject,
  { family, issuer, audiences, types }: ClaimRules,
  nowMs: number,
): VerifiedToken {
  const type = checkKind(typ, payload, types);
  if (family === 'hs256') refuseMailedLink(payload);
  const userId = family === 'hs256' ? hs256UserId(payload) : asymmetricUserId(payload);
  const principal: Principal = {
    userId,
    email: textOf(payload['email']),
    role: namesOf(payload['role']),
    organizationId: idOf(payload['organizationId']) ?? '',
    organizationRole: namesOf(payload['orgRole']),
    isActive: family === 'hs256' ? hs256IsActive(payload) : asymmetricIsActive(payload),
    client: type === 'at+jwt' ? clientOf(payload, userId) : null,
  };
  const times = checkTimes(payload, nowMs);
  if (issuer !== null && payload['iss'] !== issuer) throw issuerMismatch();
  if (audiences !== null && !audiencesOf(payload).some((aud) => typeof aud === 'string' && audiences.includes(aud))) {
    throw new AssentError('TOKEN_AUDIENCE_MISMATCH', 'The token is meant for somebody else.');
  }
  return { principal, ...times };
}

/** The refusal of a token of an issuer that is not configured. */
export function issuerMismatch(): AssentError {
  return new AssentError('TOKEN_ISSUER_MISMATCH', 'The token was issued by somebody else.');
}

/** How far `iat` and `nbf` may lie ahead, for clocks that differ. `exp` has none: a token is never good for longer. */
const LEEWAY_SECONDS = 5;

/** The end of the year 9999, the last second that a protobuf Timestamp holds. Milliseconds by mistake lie beyond it. */
const MAX_SECONDS = 253_402_300_799;

/** Better Auth signs links to e-mail addresses, and session cookies, with the same secret. Only they have these. */
const FOREIGN_CLAIMS = ['updateTo', 'requestType', 'session', 'user'];

function refuseMailedLink(payload: JsonObject): void {
  const foreign = FOREIGN_CLAIMS.find((name) => Object.hasOwn(payload, name));
  if (foreign !== undefined) throw invalid(`claim ${foreign} is that of a link or cookie, not of an API token`);
}

function hs256UserId(payload: JsonObject): string {
  const userId = idOf(payload['userId']);
  if (userId === null) throw notAnId('userId');
  return userId;
}

/**
 * `userId` is what the application's `definePayload` says. It wins over `sub`, which `getSubject` may turn into something
 * else than the id. But without `definePayload` the claims are the row of the user, whose `id` is there as well. Then a
 * column that happens to be named `userId`, or a subject made of a name, would decide who somebody is, maybe one that users
 * choose themselves. So a token whose `id` names another user is refused.
 *
 * One case is no doubt. `id` and `sub` agree, and `userId` is of a type that no id of that table has: a number beside an id
 * that is a text, or a list. That is a column, and decides nothing.
 */
function asymmetricUserId(payload: JsonObject): string {
  const given = payload['userId'] ?? null;
  const id = payload['id'] ?? null;
  const subject = payload['sub'] ?? '';
  if (!isText(subject)) throw invalid('claim sub must be a string when present');
  const isRow = subject !== '' && subject === (typeof id === 'number' ? idOf(id) : id);
  const isColumn = isRow && typeof given !== 'string' && !(typeof given === 'number' && INTEGER.test(subject));
  const [claim, named] = given === null || isColumn ? ['sub', subject] : ['userId', idOf(given)];
  if (named === null) throw notAnId('userId');
  if (named === '') throw invalid('claims userId and sub are both missing');
  if (id !== null && (typeof id === 'number' ? idOf(id) : id) !== named) {
    throw invalid(`claims ${claim} and id name different users: let definePayload give userId`);
  }
  return named;
}

function hs256IsActive({ isActive }: JsonObject): boolean {
  if (typeof isActive !== 'boolean') throw invalid('claim isActive must be a boolean');
  return isActive;
}

function asymmetricIsActive(payload: JsonObject): boolean {
  return flagOf(payload, 'isActive') ?? !(flagOf(payload, 'banned') ?? false);
}

/** RFC 9068 section 2.2: the subject is the user, unless the client acts for itself. */
function clientOf(payload: JsonObject, userId: string): Client {
  const { client_id: id, scope, sub } = payload;
  if (!isText(id) || id === '') throw invalid('claim client_id must be a string that is not empty');
  if (sub === id || userId === id) {
    throw invalid('subject is the client itself (client_credentials), which is no user');
  }
  if (sub !== userId) throw invalid('claims sub and userId name different users');
  const text = scope ?? '';
  if (!isText(text)) throw invalid('claim scope must be a string when present');
  return { id, scopes: [...new Set(text.split(' ').filter((name) => name !== ''))] };
}

function checkTimes(payload: JsonObject, nowMs: number): Pick<VerifiedToken, 'issuedAt' | 'expiresAt'> {
  const expiresAt = secondsOf(payload, 'exp');
  if (expiresAt === null) throw notATime('exp');
  const issuedAt = secondsOf(payload, 'iat');
  const notBefore = secondsOf(payload, 'nbf');
  const now = nowMs / 1000;
  if (now >= expiresAt) throw new AssentError('TOKEN_EXPIRED', 'The token has expired.');
  if (Math.max(issuedAt ?? 0, notBefore ?? 0) > now + LEEWAY_SECONDS) {
    throw new AssentError('TOKEN_NOT_YET_VALID', 'The token is not valid yet.');
  }
  return { issuedAt, expiresAt };
}

// A NUL is nothing that Postgres can store, and half a surrogate pair is nothing that UTF-8 can carry: neither can be
// the id of anybody, and both make trouble further in.
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
}

const INTEGER = /^\d+$/;

/** Claims that may be an id written as an integer. */
export const ID_CLAIMS: readonly string[] = ['userId', 'id', 'organizationId'];

/** An id as a text; serial ids are integers. Null for anything else, also for an integer beyond 2^53. */
function idOf(value: unknown): string | null {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? String(value) : null;
  return isText(value) && value !== '' ? value : null;
}

function textOf(value: unknown): string {
  return isText(value) ? value : '';
}

/** Roles as Better Auth stores them: a text, or a list. */
function namesOf(value: unknown): string {
  return Array.isArray(value) ? value.filter(isText).join(',') : textOf(value);
}

/** A truth value; integers are those of databases that have none. Null when absent. */
function flagOf(payload: JsonObject, claim: string): boolean | null {
  const value = payload[claim] ?? null;
  if (value === null || typeof value === 'boolean') return value;
  if (value === 0 || value === 1) return value === 1;
  throw invalid(`claim ${claim} must be true or false when present`);
}

/** Seconds since the epoch; null when absent. */
function secondsOf(payload: JsonObject, claim: string): number | null {
  const value = payload[claim] ?? null;
  if (value === null) return null;
  // JSON has no NaN, but 1e999 parses as Infinity.
  if (typeof value !== 'number' || !(value >= 0 && value <= MAX_SECONDS)) throw notATime(claim);
  return value;
}

function notAnId(claim: string): AssentError {
  return invalid(`claim ${claim} must be an id: a string that is not empty, or an integer`);
}

function notATime(claim: string): AssentError {
  return invalid(`claim ${claim} must be a number of seconds since 1970`);
}

function invalid(problem: string): AssentError {
  return new AssentError('TOKEN_CLAIMS_INVALID', `The token's ${problem}.`);
}
