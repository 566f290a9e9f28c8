/** Who may call at all: services that send a caller token, `authorization: Bearer <token>`. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { CallerToken } from '../config/caller-tokens.ts';
import { AssentError } from '../errors.ts';

/**
 * Lets a call pass, or throws.
 * @throws {AssentError} CALLER_UNAUTHENTICATED.
 */
export type CallerGate = (authorization: string | undefined) => void;

/** @param callers Empty lets everybody pass: then only this machine, or holders of a client certificate, get here. */
export const createCallerGate = (callers: readonly CallerToken[]): CallerGate => {
  if (callers.length === 0) return () => {};
  return (authorization) => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
    const digest = createHash('sha256')
      .update(token ?? '')
      .digest();
    // All digests are compared, each in constant time, so that time tells neither a digest nor its place.
    let known = false;
    for (const caller of callers) if (timingSafeEqual(digest, caller.digest)) known = true;
    // Nothing is no token, even where somebody has configured the digest of nothing.
    if (!known || token === undefined) {
      throw new AssentError(
        'CALLER_UNAUTHENTICATED',
        'The caller is not authenticated: send the metadata "authorization: Bearer <caller token>".',
      );
    }
  };
};
