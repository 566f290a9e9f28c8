/**
 * Checks the claims of a token whose signature has been verified, and makes the principal of them. Pure: the time is an
 * argument.
 *
 * Order: the kind of the token, the shape of each claim, the time, the issuer, the audience. The time comes before the
 * issuer because expiry is the most frequent reason, and the bearer can fetch a new token.
 *
 * Without `definePayload` the claims are the row of the user, with the application's own columns. So null counts as absent,
 * and a claim without influence on the decision never refuses a token: an ill-typed one is reported as empty.
 */
import { AssentError } from '../errors.ts';
import type { JsonObject } from './jws.ts';
import { audiencesOf, checkKind, type TokenType } from './kind.ts';
import type { Client, Principal, VerifiedToken } from './principal.ts';

/** The required claims of one signer's tokens. */
export interface ClaimRules {
  /** `hs256`: the application's own code signs with the shared secret. `asymmetric`: an issuer signs with a key pair. */
  readonly family: 'hs256' | 'asymmetric';
  /** Null: not checked. */
  readonly issuer: string | null;
  /** One of these has to be among the token's. Null: not checked. */
  readonly audiences: readonly string[] | null;
  /** The accepted kinds. */
  readonly types: ReadonlySet<TokenType>;
}

/**
 * Checks the claims of a verified token.
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
    throw new AssentError('TOKEN_AUDIENCE_MISMATCH', 'The token is for another audience.');
  }
  return { principal, ...times };
}

/** The refusal of a token of an issuer that is not configured. */
export function issuerMismatch(): AssentError {
  return new AssentError('TOKEN_ISSUER_MISMATCH', 'The token is from another issuer.');
}

/** How far `iat` and `nbf` may lie ahead, for clocks that differ. `exp` has no leeway: a token never outlives it. */
const LEEWAY_SECONDS = 5;

/** The end of the year 9999, the last second of a protobuf Timestamp. A time in milliseconds by mistake lies beyond it. */
const MAX_SECONDS = 253_402_300_799;

/** Better Auth signs e-mailed links and session cookies with the same secret. Only they have these claims. */
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
 * The application's `definePayload` sets `userId`. It wins over `sub`, because `getSubject` may replace the id in `sub`.
 * Without `definePayload` the claims are the row of the user, including its `id`. Then a column with the name `userId`, or a
 * subject made from a name, would decide the identity, and users may choose such a value. So a token whose `id` names another
 * user is refused.
 *
 * One case is unambiguous: `id` and `sub` agree, and `userId` has a type that no id of that table has, a list, or a number
 * beside a textual id. Such a `userId` is a column and is ignored.
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

// PostgreSQL cannot store a NUL, and UTF-8 cannot carry half a surrogate pair. No id has them, and both cause errors in later
// steps.
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.isWellFormed() && !value.includes('\0');
}

const INTEGER = /^\d+$/;

/** Claims that may be an id as an integer. */
export const ID_CLAIMS: readonly string[] = ['userId', 'id', 'organizationId'];

/** An id as a text; serial ids are integers. Null for any other value, and for an integer beyond 2^53. */
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

/** A boolean, or the 0 or 1 of a database without booleans. Null when absent. */
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
