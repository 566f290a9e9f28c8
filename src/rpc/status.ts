/** The statuses of errors: the one table from the errors of the domain to code, message and google.rpc details. */
import { create } from '@bufbuild/protobuf';
import { type Any, anyPack, durationFromMs } from '@bufbuild/protobuf/wkt';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { AssentError, CallEnded, type ErrorCode } from '../errors.ts';

/** The codes of google.rpc.Code that Assent answers with. */
export const Code = {
  CANCELLED: 1,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

/** The domain in ErrorInfo. */
const ERROR_DOMAIN = 'assent';

const STATUS: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: Code.INVALID_ARGUMENT,
  TOKEN_MALFORMED: Code.UNAUTHENTICATED,
  TOKEN_EXPIRED: Code.UNAUTHENTICATED,
  TOKEN_NOT_YET_VALID: Code.UNAUTHENTICATED,
  TOKEN_SIGNATURE_INVALID: Code.UNAUTHENTICATED,
  TOKEN_ALGORITHM_REFUSED: Code.UNAUTHENTICATED,
  TOKEN_KEY_UNKNOWN: Code.UNAUTHENTICATED,
  TOKEN_ISSUER_MISMATCH: Code.UNAUTHENTICATED,
  TOKEN_AUDIENCE_MISMATCH: Code.UNAUTHENTICATED,
  TOKEN_CLAIMS_INVALID: Code.UNAUTHENTICATED,
  CALLER_UNAUTHENTICATED: Code.UNAUTHENTICATED,
  CALLER_METHOD_NOT_ALLOWED: Code.PERMISSION_DENIED,
  CALLER_RATE_EXCEEDED: Code.RESOURCE_EXHAUSTED,
  CALLER_IN_FLIGHT_EXCEEDED: Code.RESOURCE_EXHAUSTED,
  USER_NOT_FOUND: Code.NOT_FOUND,
  ORGANIZATION_NOT_FOUND: Code.NOT_FOUND,
  DATABASE_UNAVAILABLE: Code.UNAVAILABLE,
  KEYS_UNAVAILABLE: Code.UNAVAILABLE,
  OVERLOADED: Code.RESOURCE_EXHAUSTED,
};

/** For a refusal that names no time itself. */
const RETRY_AFTER_MS = 100;

/** An error as every protocol sends it. */
export interface ErrorStatus {
  /** A google.rpc.Code. */
  readonly code: number;
  readonly message: string;
  readonly details: readonly Any[];
  /** When the caller may try again, in milliseconds. */
  readonly retryAfterMs?: number;
}

/**
 * The status of an error. An error other than {@link AssentError} and {@link CallEnded} is a defect: it goes to `onDefect`, for
 * the log, and its text never reaches the caller.
 */
export function errorStatus(error: unknown, onDefect: (error: unknown) => void): ErrorStatus {
  if (error instanceof AssentError) {
    const status = { code: STATUS[error.code], message: error.message, details: detailsOf(error) };
    return status.code === Code.RESOURCE_EXHAUSTED ? { ...status, retryAfterMs: retryAfterOf(error) } : status;
  }
  if (error instanceof CallEnded) return { code: Code.CANCELLED, message: error.message, details: [] };
  onDefect(error);
  return {
    code: Code.INTERNAL,
    message: 'Internal error: see the log of the service.',
    details: [errorInfo('INTERNAL')],
  };
}

/** The stable reason of an error, as in ErrorInfo; for INVALID_ARGUMENT the path of the first field. */
export function errorReason(error: unknown): string {
  if (!(error instanceof AssentError)) return 'INTERNAL';
  return error.violations[0]?.field ?? error.code;
}

function detailsOf(error: AssentError): readonly Any[] {
  if (error.code === 'INVALID_ARGUMENT') {
    const fieldViolations = error.violations.map(({ field, description }) => ({ field, description }));
    return [anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations }))];
  }
  if (STATUS[error.code] === Code.RESOURCE_EXHAUSTED) {
    const retry = create(RetryInfoSchema, { retryDelay: durationFromMs(retryAfterOf(error)) });
    return [errorInfo(error.code), anyPack(RetryInfoSchema, retry)];
  }
  return [errorInfo(error.code)];
}

function retryAfterOf(error: AssentError): number {
  return error.retryAfterMs ?? RETRY_AFTER_MS;
}

function errorInfo(reason: string): Any {
  return anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN }));
}
