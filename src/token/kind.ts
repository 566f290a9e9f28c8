/**
 * The kinds of tokens. The keys of API tokens also sign ID tokens, logout tokens, session cookies and e-mailed links. The
 * issuer, audience and user of those are valid, but they do not let their bearer act as the user (RFC 8725 section 3.11).
 * Pure.
 */
import { AssentError } from '../errors.ts';
import type { JsonObject } from './jws.ts';

/** The kinds that can be accepted, by their media type (RFC 7515 section 4.1.9). The first is the default. */
export const TOKEN_TYPES = ['JWT', 'at+jwt'] as const;

/** `JWT`: the user presents the token. `at+jwt`: an application presents it for the user (RFC 9068). */
export type TokenType = (typeof TOKEN_TYPES)[number];

/** The kind that a media type names, in any case, with or without `application/`; null for a kind that is never accepted. */
export function parseTokenType(text: string): TokenType | null {
  const name = mediaType(text);
  return TOKEN_TYPES.find((type) => type.toLowerCase() === name) ?? null;
}

/**
 * Refuses a signed token of a kind that is not accepted.
 * @param typ The header's type, null when it has none: then the token counts as a JWT.
 * @param types The accepted kinds.
 * @returns The kind of the token.
 * @throws AssentError TOKEN_CLAIMS_INVALID, with the kind in its message.
 */
export function checkKind(typ: string | null, payload: JsonObject, types: ReadonlySet<TokenType>): TokenType {
  const type = typ === null ? 'JWT' : parseTokenType(typ);
  // Checked for every type: a session cookie has a special type and a special audience, and either one refuses it.
  if (audiencesOf(payload).includes(SESSION_COOKIE_AUDIENCE)) throw notAccepted('a session cookie');
  if (type === null) throw notAccepted(nameOf(mediaType(typ ?? '')));
  if (!types.has(type)) throw notAccepted(nameOf(type.toLowerCase()));
  if (isThere(payload, 'cnf')) {
    throw refused('The token is bound to a key (its claim cnf), and the call has no proof of that key.');
  }
  if (type === 'JWT' && isIdToken(payload)) throw notAccepted('an ID token');
  return type;
}

/** The audiences of a token, each of any type. */
export function audiencesOf({ aud }: JsonObject): readonly unknown[] {
  return Array.isArray(aud) ? aud : [aud];
}

/** The types with a name for the error message. */
const KINDS: ReadonlyMap<string, string> = new Map([
  ['at+jwt', 'an access token'],
  ['better-auth.session-cache+jwt', 'a session cookie'],
  ['client-authentication+jwt', 'a client authentication'],
  ['dpop+jwt', 'a DPoP proof'],
  ['jwt', 'a JWT'],
  ['kb+jwt', 'a key binding'],
  ['logout+jwt', 'a logout token'],
  ['oauth-authz-req+jwt', 'an authorization request'],
  ['oauth-client-attestation+jwt', 'a client attestation'],
  ['oauth-client-attestation-pop+jwt', 'a client attestation'],
  ['secevent+jwt', 'a security event token'],
  ['token-introspection+jwt', 'an introspection response'],
]);

const SESSION_COOKIE_AUDIENCE = 'better-auth:session-cache';

/** RFC 7515 section 4.1.9: compared without case; `application/` may be left out. */
function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}

/** Names a kind for a message. A type is repeated only when it looks like a media type. */
function nameOf(type: string): string {
  if (type === '') return 'of a type without a name';
  return KINDS.get(type) ?? (/^[a-z0-9][a-z0-9.+_-]{0,63}$/.test(type) ? `of the type ${type}` : 'of an unknown type');
}

/**
 * OpenID Connect Core section 2. An ID token names the signed-in user to an application. Its type is absent or JWT. Its
 * audience is the application, maybe with others. Claims such as `scope` and `events` do not mark one: a column of the user's
 * row may have these names.
 */
function isIdToken(payload: JsonObject): boolean {
  const severalAudiences = audiencesOf(payload).length > 1;
  return (
    ['nonce', 'at_hash', 'c_hash'].some((mark) => isThere(payload, mark)) ||
    (severalAudiences && isThere(payload, 'azp'))
  );
}

/** Null counts as absent. */
function isThere(payload: JsonObject, claim: string): boolean {
  return (payload[claim] ?? null) !== null;
}

function notAccepted(kind: string): AssentError {
  return refused(`The token is ${kind}, which is not accepted: ASSENT_JWT_TYPES lists the accepted kinds.`);
}

function refused(message: string): AssentError {
  return new AssentError('TOKEN_CLAIMS_INVALID', message);
}
