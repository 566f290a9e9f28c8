/** Caller authentication: services send a caller token, `authorization: Bearer <token>`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { CallerToken } from '../config/caller-tokens.ts';
import { AssentError } from '../errors.ts';

/**
 * Accepts the `authorization` header of a call, or throws.
 * @throws {AssentError} CALLER_UNAUTHENTICATED.
 */
export type CallerAuthentication = (authorization: string | undefined) => void;

/** @param callers Empty accepts every call: then only this machine or holders of a client certificate can connect. */
export function createCallerAuthentication(callers: readonly CallerToken[]): CallerAuthentication {
  if (callers.length === 0) return () => {};
  return (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    const digest = createHash('sha256')
      .update(token ?? '')
      .digest();
    // Every digest is compared, each in constant time: the time tells neither a digest nor its place in the list.
    let known = false;
    for (const caller of callers) if (timingSafeEqual(digest, caller.digest)) known = true;
    // A missing token is refused even where the digest of the empty text is configured.
    if (!known || token === undefined) {
      throw new AssentError(
        'CALLER_UNAUTHENTICATED',
        'The caller is not authenticated: send the metadata "authorization: Bearer <caller token>".',
      );
    }
  };
}
