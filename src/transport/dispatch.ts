/**
 * What both doors do with a call, around the handlers: authenticate the caller, note the position for `assent-trace`, run
 * the handler, turn what was thrown into a status, count.
 */
import type { DescMethodUnary, Message } from '@bufbuild/protobuf';
import { configureTextEncoding, getTextEncoding } from '@bufbuild/protobuf/wire';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { AssentError, CallEnded, undecodable } from '../errors.ts';
import { type ErrorStatus, errorStatus } from '../rpc/errors.ts';
import type { Handlers } from '../rpc/handlers.ts';
import type { Caller } from '../rpc/services.ts';
import type { EndTrace, TraceCall } from '../telemetry/traces.ts';
import type { CallerGate } from './callers.ts';

/** A method of the service. */
export type Method = DescMethodUnary;

/** All methods, with their names as the handlers have them. */
export const methods: readonly Method[] = AuthService.methods.filter(
  (method): method is Method => method.methodKind === 'unary',
);

/** A call that ends with an error. */
export interface Refusal {
  readonly ok: false;
  readonly status: ErrorStatus;
}

/** What came of a call. */
export type Outcome<Answer> = { readonly ok: true; readonly answer: Answer } | Refusal;

/** A call as a door hands it over, once its headers are there. */
export interface Call {
  header(name: string): string | undefined;
  /** Sets metadata that goes out before the answer. */
  setHeader(name: string, value: string): void;
  /** The google.rpc.Code that the call has ended with already, its deadline passed or its caller gone; else null. */
  endedAs(): number | null;
  /** Calls `listener` when the call ends before its answer, at once where it has; after an answer it may be called, too. */
  onEnd(listener: () => void): void;
}

export interface DispatcherOptions {
  readonly handlers: Handlers;
  readonly gate: CallerGate;
  /** Names this process. */
  readonly replica: string;
  /** `epoch:sequence` of the events applied by now, and the moment (RFC 3339) of the last, where it is known. */
  readonly position: () => { readonly revision: string; readonly takenAt: string | null };
  /** Counts a call: the method's name, the google.rpc.Code and how long it took in seconds. */
  readonly onCall: (method: string, code: number, seconds: number) => void;
  readonly onDefect: (error: unknown) => void;
  /** Traces calls; null when nobody asked for traces. */
  readonly traceCall: TraceCall | null;
}

/** A call that passed the gate. Only {@link Dispatcher.admit} makes one, and without it nothing runs. */
class AdmittedCall implements Caller {
  readonly ok = true;
  readonly method: Method;
  readonly #call: Call;
  #signal: AbortSignal | null = null;

  constructor(method: Method, call: Call) {
    this.method = method;
    this.#call = call;
  }

  get call(): Call {
    return this.#call;
  }

  get signal(): AbortSignal {
    this.#signal ??= endOf(this.#call);
    return this.#signal;
  }
}

function endOf(call: Call): AbortSignal {
  const ended = new AbortController();
  call.onEnd(() => ended.abort(new CallEnded()));
  return ended.signal;
}

export type { AdmittedCall };

export interface Dispatcher {
  /**
   * Asks the gate, by the headers alone: nobody is to fill memory with messages who may not call at all. A refusal is
   * counted, and ends the call.
   */
  admit(method: Method, call: Call): AdmittedCall | Refusal;
  /**
   * Runs a call: at once where the handler answers at once.
   * @param decode Decodes the request; what it throws is the caller's fault.
   * @param encode Makes of the response what the door sends; what it throws is a defect, and counted as one.
   */
  run<Answer>(
    admitted: AdmittedCall,
    decode: () => Message,
    encode: (response: Message) => Answer,
  ): Outcome<Answer> | Promise<Outcome<Answer>>;
  /** Counts a call that a door refused by itself, as {@link DispatcherOptions.onCall}. */
  readonly onRefused: DispatcherOptions['onCall'];
  readonly onDefect: DispatcherOptions['onDefect'];
  /** Lets a caller pass, for services that are not the dispatcher's. */
  readonly gate: CallerGate;
}

const decoded = (decode: () => Message): Message => {
  try {
    return decode();
  } catch (cause) {
    throw cause instanceof AssentError ? cause : undecodable(cause);
  }
};

/**
 * Text that is not UTF-8 becomes half a surrogate pair, which no valid text can hold, so that `rpc/validate.ts` can name
 * the field. protobuf-es would refuse the whole message without saying where.
 */
const keepIllFormedText = (): void => {
  const encoding = getTextEncoding();
  configureTextEncoding({
    ...encoding,
    decodeUtf8: (bytes) => {
      try {
        return encoding.decodeUtf8(bytes, true);
      } catch {
        return '\ud800';
      }
    },
  });
};

/** Creates the dispatcher. */
export const createDispatcher = (options: DispatcherOptions): Dispatcher => {
  keepIllFormedText();
  const { handlers, gate, replica, position, onCall, onDefect, traceCall } = options;
  // The methods of `handlers` differ in their types only; `methods` and `handlers` come from the same service.
  const byName = handlers as unknown as Readonly<
    Record<string, (request: Message, caller: Caller) => Message | Promise<Message>>
  >;

  // No closures for a call that is answered at once, which most are.
  const count = ({ name }: Method, began: number, endTrace: EndTrace | null, code: number): void => {
    onCall(name, code, (performance.now() - began) / 1_000);
    endTrace?.(code);
  };
  const fail = (method: Method, call: Call, began: number, endTrace: EndTrace | null, error: unknown): Refusal => {
    const status = errorStatus(error, onDefect);
    count(method, began, endTrace, call.endedAs() ?? status.code);
    return { ok: false, status };
  };
  const succeed = <Answer>(
    method: Method,
    call: Call,
    began: number,
    endTrace: EndTrace | null,
    response: Message,
    encode: (response: Message) => Answer,
  ): Outcome<Answer> => {
    let answer: Answer;
    try {
      answer = encode(response);
    } catch (error) {
      return fail(method, call, began, endTrace, error);
    }
    // Only now: what cannot be encoded is not sent as OK.
    count(method, began, endTrace, call.endedAs() ?? 0);
    return { ok: true, answer };
  };

  const begin = ({ name }: Method, call: Call): EndTrace | null =>
    traceCall === null ? null : traceCall(name, (header) => call.header(header));

  return {
    gate,
    onRefused: onCall,
    onDefect,
    admit: (method, call) => {
      try {
        gate(call.header('authorization'));
      } catch (error) {
        return fail(method, call, performance.now(), begin(method, call), error);
      }
      return new AdmittedCall(method, call);
    },
    run: (admitted, decode, encode) => {
      const { method, call } = admitted;
      const began = performance.now();
      const endTrace = begin(method, call);
      try {
        if (call.header('assent-trace') === '1') {
          call.setHeader('assent-replica', replica);
          const { revision, takenAt } = position();
          call.setHeader('assent-position', revision);
          if (takenAt !== null) call.setHeader('assent-position-taken-at', takenAt);
        }
        const response = byName[method.localName]?.(decoded(decode), admitted);
        if (response === undefined) throw new Error(`no handler for ${method.name}`);
        if (!(response instanceof Promise)) return succeed(method, call, began, endTrace, response, encode);
        return response.then(
          (late) => succeed(method, call, began, endTrace, late, encode),
          (error: unknown) => fail(method, call, began, endTrace, error),
        );
      } catch (error) {
        return fail(method, call, began, endTrace, error);
      }
    },
  };
};
