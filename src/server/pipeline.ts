/**
 * The call pipeline. Every call of every protocol passes these steps; each check is written in one place:
 *
 *   authenticate -> trace -> decode -> handle -> encode -> count
 *
 * {@link Pipeline.admit} authenticates the caller, and applies its methods and limits, by the headers alone, before anything of
 * the message is kept. Only it makes an {@link AdmittedCall}, and only an admitted call can run.
 */
import { isUtf8 } from 'node:buffer';
import type { Message } from '@bufbuild/protobuf';
import { configureTextEncoding, getTextEncoding } from '@bufbuild/protobuf/wire';
import type { KnownCaller } from '../callers/known-callers.ts';
import { AssentError, CallEnded, undecodable } from '../errors.ts';
import type { Caller } from '../rpc/services.ts';
import type { ErrorStatus } from '../rpc/status.ts';
import type { EndTrace, TraceCall } from '../telemetry/traces.ts';
import { admitCaller, type CallCredentials, type CallerAuthentication } from './caller-authentication.ts';
import { RefusedCall, statusOf } from './errors.ts';
import type { Method, StreamingMethod, UnaryMethod } from './methods.ts';

/** A call as a protocol hands it over once its headers are there. */
export interface CallContext extends CallCredentials {
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

export interface PipelineOptions {
  readonly authenticate: CallerAuthentication;
  /** Names this process. */
  readonly replica: string;
  /**
   * For a call with `assent-trace: 1`: `epoch:sequence` of the events applied by now, and the moment (RFC 3339) of the last,
   * where it is known.
   */
  readonly position: () => { readonly revision: string; readonly takenAt: string | null };
  /** Counts a call: the method's name, the google.rpc.Code and the seconds that it took. */
  readonly onCall: (method: string, code: number, seconds: number) => void;
  /** Counts a call of a known caller. */
  readonly onCallerCall: (caller: string, code: number) => void;
  /** Reports a call that is refused for its caller, whose name is null for a call that did not authenticate. */
  readonly onCallerRefused: (caller: string | null, method: string, reason: string) => void;
  /** Reports an error that is not the caller's. Its text never reaches the caller. */
  readonly onDefect: (error: unknown, call?: DefectiveCall) => void;
  /** Traces calls; null where no traces are wanted. */
  readonly traceCall: TraceCall | null;
}

/** The call of a defect. */
export interface DefectiveCall {
  readonly method: string;
  /** Null where callers are not authenticated. */
  readonly caller: string | null;
}

export interface Pipeline {
  /** Authenticates the caller and applies its methods and limits. A refusal is counted and ends the call. */
  admit<Kind extends Method>(method: Kind, call: CallContext): AdmittedCall<Kind> | Refusal;
  /** Counts a call that a protocol refused by itself, before it was admitted or while its message came. */
  refused(method: Method, code: number, seconds: number): void;
  readonly onDefect: PipelineOptions['onDefect'];
}

/** Creates the pipeline. */
export function createPipeline(options: PipelineOptions): Pipeline {
  keepIllFormedText();
  return {
    admit: (method, call) => {
      const admitted = new Admitted(options, method, call);
      return admitted.authenticate() ?? admitted;
    },
    refused: (method, code, seconds) => {
      if (method.observed) options.onCall(method.name, code, seconds);
    },
    onDefect: options.onDefect,
  };
}

/** A call whose caller is authenticated. A class with its state in fields: a call that is answered at once makes no closure. */
class Admitted<Kind extends Method> implements Caller {
  readonly ok = true;
  readonly #options: PipelineOptions;
  readonly #method: Kind;
  readonly #call: CallContext;
  #caller: KnownCaller | null = null;
  /** Whether the call counts as one under way of its caller. */
  #counts = false;
  /** Whether the call was refused for its caller. */
  #refused = false;
  #began = 0;
  #endTrace: EndTrace | null = null;
  #signal: AbortSignal | null = null;

  constructor(options: PipelineOptions, method: Kind, call: CallContext) {
    this.#options = options;
    this.#method = method;
    this.#call = call;
  }

  /** Aborted when the call ends before its answer. Made on demand: most answers come from memory and need none. */
  get signal(): AbortSignal {
    this.#signal ??= endOf(this.#call);
    return this.#signal;
  }

  /** The name of the caller; null where callers are not authenticated. */
  get name(): string | null {
    return this.#caller?.name ?? null;
  }

  /** @internal Null when the caller may call. */
  authenticate(): Refusal | null {
    if (this.#method.open) return null;
    try {
      const caller = this.#options.authenticate(this.#call);
      this.#caller = caller;
      if (caller !== null && admitCaller(caller, this.#method.path, monotonic)) this.#countUntilEnd();
      return null;
    } catch (error) {
      this.#refused = error instanceof AssentError;
      this.#begin();
      if (error instanceof AssentError) {
        this.#options.onCallerRefused(this.name, this.#method.name, error.code);
      }
      return this.#fail(error);
    }
  }

  /** Counts a call that its protocol refuses while the message comes. */
  onRefused(code: number, seconds = 0): void {
    this.#leave();
    if (!this.#method.observed) return;
    this.#options.onCall(this.#method.name, code, seconds);
    if (this.#caller !== null) this.#options.onCallerCall(this.#caller.name, code);
  }

  onDefect(error: unknown): void {
    this.#options.onDefect(error, { method: this.#method.name, caller: this.name });
  }

  /**
   * Runs a unary call: at once where its handler answers at once.
   * @param decode Decodes the request. It throws what the caller did wrong.
   * @param encode Makes of the response the bytes that the protocol sends. An error of it is a defect.
   */
  run<Answer>(
    this: Admitted<UnaryMethod>,
    decode: () => Message,
    encode: (response: Message) => Answer,
  ): Outcome<Answer> | Promise<Outcome<Answer>> {
    this.#begin();
    try {
      this.#describe();
      const response = this.#method.handle(decoded(decode), this);
      if (!(response instanceof Promise)) return this.#succeed(response, encode);
      return response.then(
        (late) => this.#succeed(late, encode),
        (error: unknown) => this.#fail(error),
      );
    } catch (error) {
      return this.#fail(error);
    }
  }

  /**
   * Opens a streaming call.
   * @returns Takes each request, by a function that decodes it.
   */
  open<Answer>(
    this: Admitted<StreamingMethod>,
    encode: (response: Message) => Answer,
    writer: ResponseWriter<Answer>,
  ): (decode: () => Message) => void {
    this.#begin();
    let over = false;
    const end = (refusal: Refusal | null): void => {
      if (over) return;
      over = true;
      if (refusal === null) this.#count(0);
      writer.end(refusal);
    };
    const fail = (error: unknown): void => {
      if (!over) end(this.#fail(error));
    };
    const attempt = (step: () => void): void => {
      if (over) return;
      try {
        step();
      } catch (error) {
        fail(error);
      }
    };
    writer.onClose(() => {
      if (!over) this.#count(0);
      over = true;
    });
    this.#describe();
    const receive = this.#method.handle({
      send: (response) => attempt(() => writer.write(encode(response))),
      end: () => end(null),
      fail,
      onClose: (listener) => writer.onClose(listener),
    });
    return (decode) => attempt(() => receive(decoded(decode)));
  }

  #begin(): void {
    const { traceCall } = this.#options;
    this.#began = performance.now();
    if (traceCall !== null && this.#method.observed) {
      this.#endTrace = traceCall(this.#method.name, (header) => this.#call.header(header), this.name);
    }
  }

  #describe(): void {
    if (this.#call.header('assent-trace') !== '1') return;
    this.#call.setHeader('assent-replica', this.#options.replica);
    const { revision, takenAt } = this.#options.position();
    this.#call.setHeader('assent-position', revision);
    if (takenAt !== null) this.#call.setHeader('assent-position-taken-at', takenAt);
  }

  #succeed<Answer>(response: Message, encode: (response: Message) => Answer): Outcome<Answer> {
    let answer: Answer;
    try {
      answer = encode(response);
    } catch (error) {
      return this.#fail(error);
    }
    // After the encoding: a response that cannot be encoded is not sent as OK.
    this.#count(0);
    return { ok: true, answer };
  }

  #fail(error: unknown): Refusal {
    const status = statusOf(error, (defect) => this.onDefect(defect));
    this.#count(error instanceof RefusedCall ? error.countedAs : status.code);
    return { ok: false, status };
  }

  /** The call has no answer yet: it counts until it gets one, or is over without one. */
  #countUntilEnd(): void {
    this.#counts = true;
    this.#call.onClose(() => this.#leave());
  }

  #leave(): void {
    if (!this.#counts) return;
    this.#counts = false;
    this.#caller?.limits.end();
  }

  #count(code: number): void {
    this.#leave();
    if (!this.#method.observed) return;
    const ended = this.#call.endedAs() ?? code;
    this.#options.onCall(this.#method.name, ended, (performance.now() - this.#began) / 1_000);
    if (this.#caller !== null) this.#options.onCallerCall(this.#caller.name, ended);
    this.#endTrace?.(ended, this.#refused);
  }
}

/** The type without its constructor: {@link Pipeline.admit} alone makes one. */
export type AdmittedCall<Kind extends Method> = Admitted<Kind>;

function monotonic(): number {
  return performance.now();
}

function endOf(call: CallContext): AbortSignal {
  const ended = new AbortController();
  call.onEnd(() => ended.abort(new CallEnded()));
  return ended.signal;
}

function decoded(decode: () => Message): Message {
  try {
    return decode();
  } catch (cause) {
    throw cause instanceof AssentError || cause instanceof RefusedCall ? cause : undecodable(cause);
  }
}

/**
 * Decodes text that is not UTF-8 as half a surrogate pair, which no valid text can hold, so that `rpc/request.ts` can name
 * the field. protobuf-es would refuse the whole message without the name. The setting is global to the process.
 */
function keepIllFormedText(): void {
  const encoding = getTextEncoding();
  configureTextEncoding({
    ...encoding,
    // A decoder that throws takes 7 us for each text, and one that replaces takes 15 ns for each byte.
    decodeUtf8: (bytes) => (isUtf8(bytes) ? encoding.decodeUtf8(bytes) : '\ud800'),
  });
}
