/**
 * A JSON Web Signature in compact form (RFC 7515): its three parts, its header, and the JSON objects in it. The parser is
 * strict where JSON.parse, base64url decoders and jose are lenient. Nothing here is trusted before the signature is verified.
 */
import { AssentError } from '../errors.ts';

/** The length of the longest token that is parsed, without `Bearer `. Its alphabet is ASCII, so characters are bytes. */
export const MAX_TOKEN_BYTES = 8192;

/** A token in compact form with a readable header. */
export interface Jws {
  /** All three parts, as they came. */
  readonly text: string;
  /** The algorithm that the header names. The sender writes the header, so this proves nothing. */
  readonly alg: string;
  readonly kid: string | null;
  readonly typ: string | null;
  /** False for an unsecured JWS, which has an empty third part. */
  readonly hasSignature: boolean;
}

/**
 * Parses a token.
 * @throws AssentError TOKEN_MALFORMED
 */
export function parseJws(text: string): Jws {
  if (text.length > MAX_TOKEN_BYTES) throw malformed(`The token is longer than ${MAX_TOKEN_BYTES} bytes.`);
  const parts = COMPACT.exec(text)?.slice(1) ?? [];
  const [header, , signature] = parts;
  if (header === undefined || signature === undefined) throw notAJwt(text);
  if (!parts.every(isCanonical)) throw malformed("The token's base64url is not canonical.");
  const parsed = parseJsonObject(Buffer.from(header, 'base64url'));
  if (parsed === null) throw malformed("The token's header is not a JSON object with distinct members.");
  const { alg, kid, typ, crit, b64 } = parsed;
  if (typeof alg !== 'string') throw malformed("The token's header has no algorithm.");
  // RFC 7515 section 4.1.11: an unsupported critical extension makes the token invalid, and this verifier supports none. `b64`
  // (RFC 7797) changes the signed bytes, so a token that has it without `crit` is refused, too.
  if (crit !== undefined || b64 !== undefined) {
    throw malformed("The token's header asks for an extension that is not supported.");
  }
  return {
    text,
    alg,
    kid: optionalString('kid', kid),
    typ: optionalString('typ', typ),
    hasSignature: signature !== '',
  };
}

/** The signing input (RFC 7515 section 5.1), the signature, and the payload, which is still base64url. */
export function signedParts({ text }: Jws): {
  readonly signed: string;
  readonly signature: Buffer;
  readonly payload: string;
} {
  const end = text.lastIndexOf('.');
  const signed = text.slice(0, end);
  return {
    signed,
    signature: Buffer.from(text.slice(end + 1), 'base64url'),
    payload: signed.slice(signed.indexOf('.') + 1),
  };
}

/** A JSON object with members of unknown types. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** True for an object in the sense of JSON: neither null nor an array. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Parses a JSON object. Returns null for bytes that are not UTF-8, not JSON or not an object, and for an object that names a
 * member twice.
 *
 * RFC 7519 section 4 allows a repeated name. It is refused here because parsers differ in the one that they keep: a gateway
 * that reads the first `userId` and a service that reads the last one see two users in one signed token. JSON.parse keeps
 * one member of each name, so a text with more members than the parsed object has a repetition, however the names are
 * escaped. Only the outermost object is checked: no claim is read from a deeper one.
 * @param integers The names of members that are read as integers. Such a member becomes NaN when it is a number that is not
 * written in digits alone: JSON.parse turns 6.9999999999999999 into 7, which is the id of another user.
 */
export function parseJsonObject(bytes: Uint8Array, integers: readonly string[] = []): JsonObject | null {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value) || countMembers(text) !== Object.keys(value).length) return null;
    return integers.some((name) => typeof value[name] === 'number') ? withExactIntegers(text, integers) : value;
  } catch {
    return null;
  }
}

// The signature may be empty: a token with `alg: none` has none, and is refused for its algorithm.
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/;

// The last character of a part carries unused bits when the part's length is not a multiple of four. Decoders drop these
// bits, so several texts would be the same token. Only the text with zeros there is taken (RFC 4648 section 3.5).
const LAST_OF_ONE_BYTE = /[AQgw]$/;
const LAST_OF_TWO_BYTES = /[AEIMQUYcgkosw048]$/;

function isCanonical(part: string): boolean {
  const rest = part.length % 4;
  if (rest === 0) return true;
  if (rest === 1) return false;
  return (rest === 2 ? LAST_OF_ONE_BYTE : LAST_OF_TWO_BYTES).test(part);
}

function optionalString(name: string, value: unknown): string | null {
  if (value === undefined) return null;
  if (typeof value !== 'string') throw malformed(`The token's header has a ${name} that is not a string.`);
  return value;
}

/**
 * Texts that people send instead of a JWT, by their form. A session token of Better Auth has 32 letters and digits, and in a
 * cookie a MAC follows it. An API key has 64 letters, maybe after a prefix. An opaque access token has 32 letters.
 */
const LOOKS: readonly (readonly [form: RegExp, look: string])[] = [
  [/^[A-Za-z]{32}$/, 'a session token or an opaque access token'],
  [/^[A-Za-z0-9]{32}$/, 'a session token'],
  [/^[A-Za-z0-9]{32}\.(?:[A-Za-z0-9+/]|%2B|%2F){43}(?:=|%3D)$/i, 'a session cookie'],
  [/^[\w.-]{0,64}session_(?:token|data)=/, 'a session cookie'],
  [/^eyJ[\w-]+$/, 'a session cookie'],
  [/^(?:[\w-]{0,64}[\W_])?[A-Za-z]{64}$/, 'an API key'],
  [/^[\w-]+\.[\w-]*\.[\w-]+\.[\w-]+\.[\w-]+$/, 'an encrypted token (JWE)'],
  [/^[A-Za-z]+ /, 'an authorization header'],
  [/^\s*["{[]/, 'JSON'],
];

/** Names the form of the text, and repeats no part of it: the text may be a secret. */
function notAJwt(text: string): AssentError {
  const look = LOOKS.find(([form]) => form.test(text))?.[1];
  return malformed(
    `The token is not a signed JWT: ${look === undefined ? 'three parts of base64url with dots between them' : `it looks like ${look}`}. Better Auth's jwt plugin gives a JWT at /api/auth/token, for a session.`,
  );
}

function malformed(message: string): AssentError {
  return new AssentError('TOKEN_MALFORMED', message);
}

// A byte order mark stays in the text, where JSON.parse refuses it.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Counts the members of the outermost object of a text that JSON.parse has accepted. */
function countMembers(json: string): number {
  let members = 0;
  let depth = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const code = json.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === COLON && depth === 1) members += 1;
    else if (OPENING.has(code)) depth += 1;
    else if (CLOSING.has(code)) depth -= 1;
  }
  return members;
}

/** Parses again with the source text of each number (JSON.parse source text access), which is slower than a plain parse. */
function withExactIntegers(text: string, integers: readonly string[]): JsonObject {
  const inexact = new Map<unknown, string[]>();
  const revive = function (
    this: unknown,
    name: string,
    value: unknown,
    context?: { readonly source?: string },
  ): unknown {
    if (typeof value === 'number' && integers.includes(name) && !/^\d+$/.test(context?.source ?? '')) {
      inexact.set(this, [...(inexact.get(this) ?? []), name]);
    }
    return value;
  };
  const value = JSON.parse(text, revive) as JsonObject;
  const names = inexact.get(value) ?? [];
  return { ...value, ...Object.fromEntries(names.map((name) => [name, Number.NaN])) };
}
