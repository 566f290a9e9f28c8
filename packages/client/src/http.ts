/** What the guards of the web frameworks share: the token, the organization, and the answer to an error. */
import type { Assent } from './assent.ts';
import { AssentError } from './errors.ts';
import type { AllowedDecision, Principal, Target } from './types.ts';

/** Where the user's token is. `Authorization: Bearer` when neither is there. */
export interface TokenOptions {
  /** The name of another header; its value is the token, with or without `Bearer `. */
  readonly header?: string | undefined;
  /** The name of a cookie; its value is the token. No header is read then. */
  readonly cookie?: string | undefined;
}

/** Options of `assentPlugin` of every web framework. */
export interface AssentPluginOptions extends TokenOptions {
  /** The client; `createFakeAssent()` in tests. */
  readonly assent: Pick<Assent, 'require' | 'verify'>;
  /** Called with each error that is answered; `MISCONFIGURED` goes to `console.error` when absent. */
  readonly onError?: ((error: AssentError) => void) | undefined;
}

/**
 * Where the user wants to do something: a function that returns the organization's id from the request, or the whole platform.
 * An id that is empty, undefined or no text is `INVALID` (400), since users can ask for `/orgs//leave`.
 */
export type GuardScope<Request> = ((request: Request) => unknown) | { readonly platform: true };

/** An answer of HTTP to an error. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly code: string; readonly reason?: string; readonly message: string };
}

/** A decision on a token, which always has a principal. */
export interface Authorized extends AllowedDecision {
  readonly principal: Principal;
}

/**
 * The token of a request.
 * @param headerOf The value of a header by its name in lower case.
 * @throws {AssentError} `UNAUTHENTICATED` with the reason `TOKEN_MISSING`.
 */
export function tokenOf(headerOf: (name: string) => unknown, { header, cookie }: TokenOptions): string {
  const value = headerOf(cookie === undefined ? (header ?? 'authorization').toLowerCase() : 'cookie');
  const text = typeof value === 'string' ? value : '';
  const token = cookie !== undefined ? cookieOf(text, cookie) : header !== undefined ? text : bearerOf(text);
  const bare = token.replace(/^Bearer +/i, '').trim();
  if (bare === '') throw new AssentError('UNAUTHENTICATED', 'TOKEN_MISSING', 'the request has no token');
  return bare;
}

/**
 * Verifies and decides in one round trip.
 * @throws {AssentError} with the code of each reason not to go on; `INVALID` for an empty organization.
 */
export async function authorize<Request>(
  assent: Pick<Assent, 'require'>,
  token: string,
  permission: string,
  request: Request,
  scope: GuardScope<Request> | undefined,
): Promise<Authorized> {
  const decision = await assent.require(targetOf(token, request, scope), permission);
  return { ...decision, principal: principalOf(decision.principal) };
}

/** The answer to an error; null for an error of another kind, which the framework has to answer. */
export function answerTo(error: unknown, { onError }: Pick<AssentPluginOptions, 'onError'>): ErrorAnswer | null {
  if (!(error instanceof AssentError)) return null;
  if (onError !== undefined) onError(error);
  else if (error.code === 'MISCONFIGURED') console.error(error);
  const headers: Record<string, string> = {};
  if (error.code === 'UNAUTHENTICATED') headers['www-authenticate'] = 'Bearer';
  if (error.retryAfterSeconds !== null) headers['retry-after'] = String(error.retryAfterSeconds);
  const { code, reason, httpStatus: status } = error;
  // The caller's own fault is no business of the user.
  if (code === 'MISCONFIGURED') return { status, headers, body: { code: 'INTERNAL', message: MESSAGES[code] } };
  return { status, headers, body: { code, reason, message: MESSAGES[code] } };
}

/** The error of a route that reads the principal without a guard. */
export function noGuard(): AssentError {
  return new AssentError(
    'MISCONFIGURED',
    'GUARD_MISSING',
    'the principal is there after guard() or authenticated() only',
  );
}

/** The error of a guard without the client. */
export function noPlugin(): AssentError {
  return new AssentError('MISCONFIGURED', 'PLUGIN_MISSING', 'assentPlugin is not registered before this route');
}

const MESSAGES = {
  UNAUTHENTICATED: 'Authentication is required.',
  DENIED: 'This is not allowed.',
  UNAVAILABLE: 'The service is unavailable for the moment.',
  INVALID: 'The request is not valid.',
  MISCONFIGURED: 'Internal server error.',
} as const;

function targetOf<Request>(token: string, request: Request, scope: GuardScope<Request> | undefined): Target {
  if (scope === undefined) return { token };
  if (typeof scope !== 'function') return { token, platform: true };
  const organization = scope(request);
  if (organization === undefined || organization === null || organization === '') {
    throw new AssentError('INVALID', 'ORGANIZATION_EMPTY', 'the request names no organization');
  }
  if (typeof organization !== 'string') {
    throw new AssentError('INVALID', 'ORGANIZATION_MALFORMED', 'the organization of the request is no text');
  }
  return { token, organization };
}

function principalOf(principal: Principal | null): Principal {
  if (principal === null) throw new AssentError('UNAVAILABLE', 'INTERNAL', 'a decision on a token without a principal');
  return principal;
}

function bearerOf(text: string): string {
  return /^Bearer +/i.test(text) ? text : '';
}

function cookieOf(text: string, name: string): string {
  for (const pair of text.split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === name)
      return decoded(
        pair
          .slice(at + 1)
          .trim()
          .replace(/^"(.*)"$/, '$1'),
      );
  }
  return '';
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
