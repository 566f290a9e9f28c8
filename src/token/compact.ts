/** The outside of a token: its three parts and its header. Nothing here is trusted until the signature is verified. */
import { AssentError } from '../errors.ts';
import { parseJsonObject } from './json.ts';

/** Longest token that is looked at, without `Bearer `. Its alphabet is ASCII, so characters are bytes. */
export const MAX_TOKEN_BYTES = 8192;

/** A token in compact form whose header can be read. */
export interface CompactToken {
  /** All three parts, as they came. */
  readonly text: string;
  /** What the token says it is signed with: a claim of whoever made it, not yet anything more. */
  readonly alg: string;
  readonly kid: string | null;
  readonly typ: string | null;
  /** False for an unsecured JWS, whose third part is empty. */
  readonly hasSignature: boolean;
}

// The signature may be empty so that `alg: none`, which is written so, is named as what it is.
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/;

// The last character carries bits that belong to no byte when a part's length is not a multiple of four. Decoders drop
// them, so that several texts would be the same token; only the one with zeros there is taken (RFC 4648 section 3.5).
const LAST_OF_ONE_BYTE = /[AQgw]$/;
const LAST_OF_TWO_BYTES = /[AEIMQUYcgkosw048]$/;

const isCanonical = (part: string): boolean => {
  const rest = part.length % 4;
  if (rest === 0) return true;
  if (rest === 1) return false;
  return (rest === 2 ? LAST_OF_ONE_BYTE : LAST_OF_TWO_BYTES).test(part);
};

const malformed = (message: string): AssentError => new AssentError('TOKEN_MALFORMED', message);

const optionalString = (name: string, value: unknown): string | null => {
  if (value === undefined) return null;
  if (typeof value !== 'string') throw malformed(`The token's header has a ${name} that is not a string.`);
  return value;
};

/**
 * Takes a token apart.
 * @throws AssentError TOKEN_MALFORMED
 */
export const parseCompact = (text: string): CompactToken => {
  if (text.length > MAX_TOKEN_BYTES) throw malformed(`The token is longer than ${MAX_TOKEN_BYTES} bytes.`);
  const parts = COMPACT.exec(text)?.slice(1) ?? [];
  const [header, , signature] = parts;
  if (header === undefined || signature === undefined) throw notAJwt(text);
  if (!parts.every(isCanonical)) throw malformed("The token's base64url is not canonical.");
  const parsed = parseJsonObject(Buffer.from(header, 'base64url'));
  if (parsed === null) throw malformed("The token's header is not a JSON object with distinct members.");
  const { alg, kid, typ, crit, b64 } = parsed;
  if (typeof alg !== 'string') throw malformed("The token's header has no algorithm.");
  // RFC 7515 section 4.1.11: what is critical and not understood makes the token invalid, and no extension is
  // understood here. `b64` (RFC 7797) changes what is signed, and a token that has it without `crit` is no better.
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
};

/** What the signature of a token is over, the signature, and the payload, still encoded. */
export const signedParts = ({
  text,
}: CompactToken): { readonly signed: string; readonly signature: Buffer; readonly payload: string } => {
  const end = text.lastIndexOf('.');
  const signed = text.slice(0, end);
  return {
    signed,
    signature: Buffer.from(text.slice(end + 1), 'base64url'),
    payload: signed.slice(signed.indexOf('.') + 1),
  };
};

/** The refusal of a token that no key fits. */
export const signatureInvalid = (): AssentError =>
  new AssentError('TOKEN_SIGNATURE_INVALID', "The token's signature does not verify.");

/**
 * What people present in place of a JWT, by its form. Better Auth's session tokens have 32 letters and digits, and in a
 * cookie a MAC behind them; its API keys have 64 letters, maybe after a prefix; opaque access tokens have 32 letters.
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

/** Says what the text looks like, and repeats nothing of it: it may be a secret. */
function notAJwt(text: string): AssentError {
  const look = LOOKS.find(([form]) => form.test(text))?.[1];
  return malformed(
    `The token is not a signed JWT: ${look === undefined ? 'three parts of base64url with dots between them' : `it looks like ${look}`}. Better Auth's jwt plugin gives a JWT at /api/auth/token, for a session.`,
  );
}
