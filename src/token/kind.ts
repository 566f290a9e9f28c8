/**
 * The kinds of tokens. The keys that sign API tokens sign others, too: ID tokens, logout tokens, session cookies, links in
 * mails. Their issuer, audience and user fit, and none of them says that its bearer may act as the user (RFC 8725 section
 * 3.11). Pure.
 */
import { AssentError } from '../errors.ts';
import type { JsonObject } from './jws.ts';

/** The kinds that can be taken, by their media type (RFC 7515 section 4.1.9). The first is the default. */
export const TOKEN_TYPES = ['JWT', 'at+jwt'] as const;

/** `JWT`: a token that its user presents. `at+jwt`: one that an application presents for them (RFC 9068). */
export type TokenType = (typeof TOKEN_TYPES)[number];

/** The kind that a media type names, in any case, with or without `application/`; null for a kind that is never taken. */
export function parseTokenType(text: string): TokenType | null {
  const name = mediaType(text);
  return TOKEN_TYPES.find((type) => type.toLowerCase() === name) ?? null;
}

/**
 * Refuses a signed token that is of no kind that is taken.
 * @param typ The header's type, null when it has none: then the token counts as a JWT.
 * @param types The kinds that are taken.
 * @returns The kind of the token.
 * @throws AssentError TOKEN_CLAIMS_INVALID, with the kind in its message.
 */
export function checkKind(typ: string | null, payload: JsonObject, types: ReadonlySet<TokenType>): TokenType {
  const type = typ === null ? 'JWT' : parseTokenType(typ);
  // In every type: a session cookie has both, its type and its audience, and one of them is enough to refuse it.
  if (audiencesOf(payload).includes(SESSION_COOKIE_AUDIENCE)) throw notTaken('a session cookie');
  if (type === null) throw notTaken(nameOf(mediaType(typ ?? '')));
  if (!types.has(type)) throw notTaken(nameOf(type.toLowerCase()));
  if (isThere(payload, 'cnf')) {
    throw refused('The token is bound to a key (its claim cnf), and nobody proves here to have that key.');
  }
  if (type === 'JWT' && isIdToken(payload)) throw notTaken('an ID token');
  return type;
}

/** The audiences of a token, of whatever type each is. */
export function audiencesOf({ aud }: JsonObject): readonly unknown[] {
  return Array.isArray(aud) ? aud : [aud];
}

/** The types that are registered or known for something else than an API token. */
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

/** Names a kind for a message, in which only a type that looks like one is repeated. */
function nameOf(type: string): string {
  if (type === '') return 'of a type without a name';
  return KINDS.get(type) ?? (/^[a-z0-9][a-z0-9.+_-]{0,63}$/.test(type) ? `of the type ${type}` : 'of an unknown type');
}

/**
 * OpenID Connect Core section 2. An ID token tells an application who signed in. Its type is absent or JWT, and its audience
 * is the application, to which others may be added. `scope`, `events` and the like are no marks: a user's column may have
 * their name.
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

function notTaken(kind: string): AssentError {
  return refused(`The token is ${kind}, which is not taken here: ASSENT_JWT_TYPES lists the kinds that are.`);
}

function refused(message: string): AssentError {
  return new AssentError('TOKEN_CLAIMS_INVALID', message);
}
