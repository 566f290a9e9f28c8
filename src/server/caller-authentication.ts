/**
 * Caller authentication: a service sends a caller token, `authorization: Bearer <token>`, or shows a client certificate. Here
 * it is decided, by the headers alone, who calls, which methods it may call, and whether it is within its limits.
 */
import { hash } from 'node:crypto';
import { type Evidence, hasExpired, type KnownCaller, type KnownCallers } from '../callers/known-callers.ts';
import type { Clock } from '../clock.ts';
import { AssentError } from '../errors.ts';

/** What a call shows of its caller. */
export interface CallCredentials {
  /** A header of the request. */
  header(name: string): string | undefined;
  /** The subject alternative names of the caller's certificate, which TLS has verified; none without one. */
  certificateNames(): readonly string[];
}

/**
 * Finds the caller of a call.
 * @returns Null where callers are not authenticated.
 * @throws {AssentError} CALLER_UNAUTHENTICATED.
 */
export type CallerAuthentication = (call: CallCredentials) => KnownCaller | null;

/** Accepts every call: then only this machine or holders of a client certificate can connect. */
export const acceptEveryCall: CallerAuthentication = () => null;

/** @param callers The callers in force now. */
export function createCallerAuthentication(
  callers: () => KnownCallers,
  clock: Pick<Clock, 'now'>,
): CallerAuthentication {
  return (call) => {
    const authorization = call.header('authorization');
    // A token decides, also beside a certificate: a proxy has a certificate, and passes on the tokens of callers.
    const caller =
      authorization === undefined
        ? callers().byCertificate(call.certificateNames())
        : byToken(callers(), authorization, clock);
    if (caller !== null) return caller;
    throw new AssentError('CALLER_UNAUTHENTICATED', UNAUTHENTICATED);
  };
}

const UNAUTHENTICATED =
  'The caller is not authenticated: send the metadata "authorization: Bearer <caller token>" with a token that is known and has not expired, or connect with a certificate of a known caller.';

function byToken(callers: KnownCallers, authorization: string, clock: Pick<Clock, 'now'>): KnownCaller | null {
  const token = tokenOf(authorization);
  // A missing token is refused even where the digest of the empty text is configured.
  if (token === undefined) return null;
  const credential = callers.byDigest(hash('sha256', token));
  if (credential === null) return null;
  return hasExpired(credential, clock.now()) ? null : credential.caller;
}

/** What an authenticated call has shown of its caller, for a later look: headers are dropped once they are read. */
export function evidenceOf(call: CallCredentials, { digest }: KnownCaller): Evidence {
  return digest === null ? { names: call.certificateNames() } : { digest };
}

function tokenOf(authorization: string): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1];
}

function monotonic(): number {
  return performance.now();
}

/**
 * Admits a call of a known caller. A call of a caller with a bound on calls in flight counts from here on; the others are not
 * counted.
 * @param path `/package.Service/Method`.
 * @param now Monotonic milliseconds.
 * @returns Whether the call has to be ended by `caller.limits.end()`.
 * @throws {AssentError} CALLER_METHOD_NOT_ALLOWED, CALLER_IN_FLIGHT_EXCEEDED or CALLER_RATE_EXCEEDED.
 */
export function admitCaller(caller: KnownCaller, path: string, now: () => number = monotonic): boolean {
  if (!caller.mayCall(path)) {
    throw new AssentError('CALLER_METHOD_NOT_ALLOWED', 'The caller is known and may not call this method.');
  }
  const { limits } = caller;
  // Before the rate: a call that is refused here takes nothing from the bucket.
  if (!limits.hasRoom()) {
    throw new AssentError('CALLER_IN_FLIGHT_EXCEEDED', 'The caller has as many calls under way as it may have.');
  }
  const waitMs = limits.hasRate ? limits.take(now()) : 0;
  if (waitMs > 0) {
    throw new AssentError('CALLER_RATE_EXCEEDED', 'The caller makes more calls a second than it may.', {
      retryAfterMs: Math.ceil(waitMs),
    });
  }
  if (!limits.countsInFlight) return false;
  limits.begin();
  return true;
}
