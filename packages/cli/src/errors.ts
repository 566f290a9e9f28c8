/** Errors of the command line: the exit code of each is 2. */

/** Wrong usage, or a file that is not there; the message names the argument. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The call failed: the answer is not known. */
export class CallError extends Error {
  override readonly name = 'CallError';
  /** The status of gRPC, for example `UNAVAILABLE`. */
  readonly code: string;
  /** The service's reason, for example `TOKEN_EXPIRED`; empty when the service gave none. */
  readonly reason: string;

  constructor(code: string, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}
