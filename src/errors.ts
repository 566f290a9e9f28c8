/**
 * The errors of the domain. Every layer throws these; `rpc/errors.ts` is the one table that turns them into a status.
 * Messages reach callers: they never hold a token, a secret, SQL or a host.
 */

/** Why a token was refused; sent as the reason of ErrorInfo. */
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
  | 'USER_NOT_FOUND'
  | 'ORGANIZATION_NOT_FOUND'
  | 'DATABASE_UNAVAILABLE'
  | 'KEYS_UNAVAILABLE'
  | 'OVERLOADED';

/** One field of a request and what is wrong with it. */
export interface FieldViolation {
  /** The path of the field in proto names, for example `checks[3].permission`. */
  readonly field: string;
  /** What is wrong and what to do. */
  readonly description: string;
}

/** An error whose message is meant for the caller. Anything else that is thrown is a defect and becomes INTERNAL. */
export class AssentError extends Error {
  override readonly name = 'AssentError';
  readonly code: ErrorCode;
  /** Filled for INVALID_ARGUMENT only. */
  readonly violations: readonly FieldViolation[];

  constructor(
    code: ErrorCode,
    message: string,
    options: ErrorOptions & { violations?: readonly FieldViolation[] } = {},
  ) {
    super(message, options);
    this.code = code;
    this.violations = options.violations ?? [];
  }
}

/** The call has ended, by its deadline or by its caller: the reason of its signal. No defect, and nobody is answered with it. */
export class CallEnded extends Error {
  override readonly name = 'CallEnded';
  override readonly message = 'The call has ended.';
}

/**
 * The texts of an error and of its causes, for operators and never for callers. Texts only: drivers put statements and their
 * values into error objects. What a caller would be told is left out where a cause says more.
 */
export const describeError = (error: unknown): string => {
  const texts = new Set<string>();
  for (let current = error; current instanceof Error && texts.size < 4; current = current.cause) {
    if (current instanceof AssentError && current.cause instanceof Error) continue;
    texts.add(current.message === '' ? current.name : current.message);
  }
  return texts.size === 0 ? String(error) : [...texts].join(': ');
};

/** A request with a field that is missing, too long or malformed; without a name where it is none of the message's. */
export const invalidArgument = (field: string, description: string): AssentError =>
  new AssentError('INVALID_ARGUMENT', field === '' ? description : `${field}: ${description}`, {
    violations: [{ field, description }],
  });

/** A request that is no message at all. The decoder's text is not passed on: it may quote the bytes. */
export const undecodable = (cause: unknown): AssentError =>
  new AssentError('INVALID_ARGUMENT', 'The request is not a valid message of this method.', {
    cause,
    violations: [{ field: '', description: 'is not a valid message of this method.' }],
  });
