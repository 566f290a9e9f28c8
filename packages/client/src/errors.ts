/** The one error class of the kit. */
import type { Decision } from './types.ts';

/**
 * - `UNAUTHENTICATED` (401): the user's token is missing, too long or does not verify.
 * - `DENIED` (403): the decision is no; only `require` and guards throw it.
 * - `UNAVAILABLE` (503): the answer cannot be known now. It never means no, and never yes.
 * - `INVALID` (400): a value that a user sent: an id that is too long or not UTF-8.
 * - `MISCONFIGURED` (500): the caller's own fault: address, caller token, a permission without a colon, an empty organization.
 */
export type AssentErrorCode = 'UNAUTHENTICATED' | 'DENIED' | 'UNAVAILABLE' | 'INVALID' | 'MISCONFIGURED';

export interface AssentErrorOptions {
  readonly cause?: unknown;
  /** Of an `UNAVAILABLE` error; 1 when absent. */
  readonly retryAfterSeconds?: number;
  /** Of a `DENIED` error. */
  readonly decision?: Decision;
}

const HTTP_STATUS: Readonly<Record<AssentErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  DENIED: 403,
  UNAVAILABLE: 503,
  INVALID: 400,
  MISCONFIGURED: 500,
};

/** Why there is no decision, or why it is no. A cancellation by an AbortSignal is none: the signal's own reason is thrown. */
export class AssentError extends Error {
  override readonly name = 'AssentError';
  readonly code: AssentErrorCode;
  /** The service's reason (`TOKEN_EXPIRED`, `NOT_A_MEMBER`) or the kit's own (`ORGANIZATION_EMPTY`, `DEADLINE_EXCEEDED`). */
  readonly reason: string;
  /** The status of an HTTP answer that passes the error on. */
  readonly httpStatus: number;
  /** For the header `Retry-After`, whole seconds; null unless the code is `UNAVAILABLE`. */
  readonly retryAfterSeconds: number | null;
  /** The decision of a `DENIED` error; null for others. */
  readonly decision: Decision | null;

  constructor(code: AssentErrorCode, reason: string, message: string, options: AssentErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.reason = reason;
    this.httpStatus = HTTP_STATUS[code];
    this.retryAfterSeconds = code === 'UNAVAILABLE' ? (options.retryAfterSeconds ?? 1) : null;
    this.decision = options.decision ?? null;
  }
}
