/** A call between a protocol and the pipeline: its headers, its end, and its result. */
import type { ErrorStatus } from '../rpc/status.ts';
import type { CallConnection } from './call-connection.ts';
import type { CallCredentials } from './caller-authentication.ts';

/** A call as a protocol hands it over once its headers are there. */
export interface CallContext extends CallCredentials {
  readonly connection: CallConnection;
  /** Sets metadata that goes out before the answer. */
  setHeader(name: string, value: string): void;
  /** The google.rpc.Code that the call has ended with already: its deadline passed or its caller left. Null otherwise. */
  endedAs(): number | null;
  /** Calls `listener` once the call ends before its answer, at once where it has. It may be called after an answer, too. */
  onEnd(listener: () => void): void;
  /** Calls `listener` once the call is over, at whichever end, at once where it is. */
  onClose(listener: () => void): void;
}

/** A call that ends with an error. */
export interface Refusal {
  readonly ok: false;
  readonly status: ErrorStatus;
}

/** The result of a call. */
export type Outcome<Answer> = { readonly ok: true; readonly answer: Answer } | Refusal;

/** Where the responses of a streaming call go. */
export interface ResponseWriter<Answer> {
  write(answer: Answer): void;
  /** Ends the call, well or with a status. */
  end(refusal: Refusal | null): void;
  /** Calls back once the call is over, at whichever end. */
  onClose(listener: () => void): void;
}
