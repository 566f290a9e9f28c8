/**
 * The errors of the domain. Every layer throws these; `rpc/status.ts` is the one table that turns them into a status.
 * Messages reach callers: they never hold a token, a secret, SQL or a host.
 */

/** The reason of a refused token; sent as the reason of ErrorInfo. */
export type TokenErrorCode =
  | 'TOKEN_MALFORMED'
  | 'TOKEN_EXPIRED'
  | 'TOKEN_NOT_YET_VALID'
  | 'TOKEN_SIGNATURE_INVALID'
  | 'TOKEN_ALGORITHM_REFUSED'
  | 'TOKEN_KEY_UNKNOWN'
  | 'TOKEN_ISSUER_MISMATCH'
  | 'TOKEN_AUDIENCE_MISMATCH'
  | 'TOKEN_CLAIMS_INVALID';

/** Every reason that an error of the API can have. Stable: callers match on them. */
export type ErrorCode =
  | TokenErrorCode
  | 'INVALID_ARGUMENT'
  | 'CALLER_UNAUTHENTICATED'
  | 'CALLER_METHOD_NOT_ALLOWED'
  | 'CALLER_RATE_EXCEEDED'
  | 'CALLER_IN_FLIGHT_EXCEEDED'
  | 'USER_NOT_FOUND'
  | 'ORGANIZATION_NOT_FOUND'
  | 'DATABASE_UNAVAILABLE'
  | 'KEYS_UNAVAILABLE'
  | 'OVERLOADED';

/** A field of a request and its problem. */
export interface FieldViolation {
  /** The path of the field in proto names, for example `checks[3].permission`. */
  readonly field: string;
  /** The problem, and what the caller can do. */
  readonly description: string;
}

/** An error with a message for the caller. Any other thrown error is a defect and becomes INTERNAL. */
export class AssentError extends Error {
  override readonly name = 'AssentError';
  readonly code: ErrorCode;
  /** Filled for INVALID_ARGUMENT only. */
  readonly violations: readonly FieldViolation[];
  /** When the caller may try again, in milliseconds; null for an error that names no time. */
  readonly retryAfterMs: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & { violations?: readonly FieldViolation[]; retryAfterMs?: number } = {},
  ) {
    super(message, options);
    this.code = code;
    this.violations = options.violations ?? [];
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** The call has ended by its deadline or by its caller: the reason of its signal. It is no defect and is never an answer. */
export class CallEnded extends Error {
  override readonly name = 'CallEnded';
  override readonly message = 'The call has ended.';
}

/**
 * The texts of an error and of its causes, for operators and never for callers. Texts only: drivers put statements and their
 * values into error objects. The text of an AssentError is left out when it has a cause, which is more precise.
 */
export function describeError(error: unknown): string {
  const texts = new Set<string>();
  for (let current = error; current instanceof Error && texts.size < 4; current = current.cause) {
    if (current instanceof AssentError && current.cause instanceof Error) continue;
    texts.add(current.message === '' ? current.name : current.message);
  }
  return texts.size === 0 ? String(error) : [...texts].join(': ');
}

/**
 * The error of a missing, long or malformed field.
 * @param field Empty when the problem is not in a field of the message.
 */
export function invalidArgument(field: string, description: string): AssentError {
  return new AssentError('INVALID_ARGUMENT', field === '' ? description : `${field}: ${description}`, {
    violations: [{ field, description }],
  });
}

/** The error of bytes that are not a message. The decoder's text is not sent: it may quote the bytes. */
export function undecodable(cause: unknown): AssentError {
  return new AssentError('INVALID_ARGUMENT', 'The request is not a valid message of this method.', {
    cause,
    violations: [{ field: '', description: 'is not a valid message of this method.' }],
  });
}
