/** How a call ends without a handler's answer: refusals of the server itself, and the status of any error. */
import { Code, type ErrorStatus, errorStatus } from '../rpc/status.ts';

export const MESSAGE_LATE = 'The message of the call did not come in time.';
export const NO_MESSAGE = 'The request has no message.';
export const HALF_MESSAGE = 'The request ends within a message.';
export const MORE_MESSAGES = 'The request has more than the one message that the method takes.';
export const UNKNOWN_COMPRESSION = 'The compression of the request is not supported: use gzip.';

/**
 * A call that the server refuses because of how it was sent, not because of what it asks. Only the caller can be at fault.
 * The message quotes nothing of the request.
 */
export class RefusedCall extends Error {
  override readonly name = 'RefusedCall';
  /** A google.rpc.Code. */
  readonly code: number;
  /** Metadata that goes out beside the status. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor(code: number, message: string, metadata: Readonly<Record<string, string>> = {}) {
    super(message);
    this.code = code;
    this.metadata = metadata;
  }

  /**
   * The code for metrics and traces. gRPC demands INTERNAL for some malformed requests; counted as such, a caller's defect
   * would raise the alert about the service's own.
   */
  get countedAs(): number {
    return this.code === Code.INTERNAL ? Code.INVALID_ARGUMENT : this.code;
  }
}

/** A message beyond the limit, in the words of every protocol. */
export function tooLarge(maxBytes: number): RefusedCall {
  return new RefusedCall(Code.RESOURCE_EXHAUSTED, `A message is larger than ${maxBytes} bytes.`);
}

/**
 * The status of anything that was thrown.
 * @param onDefect Called with an error that is neither a refusal nor the caller's.
 */
export function statusOf(error: unknown, onDefect: (error: unknown) => void): ErrorStatus {
  if (!(error instanceof RefusedCall)) return errorStatus(error, onDefect);
  return { code: error.code, message: error.message, details: [] };
}
