/**
 * What both doors do with a call, around the handlers: authenticate the caller, note the position for `assent-trace`, run
 * the handler, turn what was thrown into a status, count.
 */
import type { DescMethodUnary, Message } from '@bufbuild/protobuf';
import { configureTextEncoding, getTextEncoding } from '@bufbuild/protobuf/wire';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { undecodable } from '../errors.ts';
import { type ErrorStatus, errorStatus } from '../rpc/errors.ts';
import type { Handlers } from '../rpc/handlers.ts';
import type { EndTrace, TraceCall } from '../telemetry/traces.ts';
import type { CallerGate } from './callers.ts';

/** A method of the service. */
export type Method = DescMethodUnary;

/** All methods, with their names as the handlers have them. */
export const methods: readonly Method[] = AuthService.methods.filter(
  (method): method is Method => method.methodKind === 'unary',
);

/** What came of a call. */
export type Outcome =
  | { readonly ok: true; readonly response: Message }
  | { readonly ok: false; readonly status: ErrorStatus };

/** A call as a door hands it over. */
export interface Call {
  header(name: string): string | undefined;
  /** Sets metadata that goes out before the answer. */
  setHeader(name: string, value: string): void;
  /** Decodes the request; what it throws is the caller's fault. */
  decode(): Message;
  /** The google.rpc.Code that the call has ended with already, its deadline passed or its caller gone; else null. */
  endedAs(): number | null;
}

export interface DispatcherOptions {
  readonly handlers: Handlers;
  readonly gate: CallerGate;
  /** Names this process. */
  readonly replica: string;
  /** `epoch:sequence` of the events applied by now. */
  readonly position: () => string;
  /** Counts a call: the method's name, the google.rpc.Code and how long it took in seconds. */
  readonly onCall: (method: string, code: number, seconds: number) => void;
  readonly onDefect: (error: unknown) => void;
  /** Traces calls; null when nobody asked for traces. */
  readonly traceCall: TraceCall | null;
}

/** Runs calls: at once where the handler answers at once. */
export interface Dispatcher {
  run(method: Method, call: Call): Outcome | Promise<Outcome>;
  /** Counts a call that a door refused by itself, as {@link DispatcherOptions.onCall}. */
  readonly onRefused: DispatcherOptions['onCall'];
  readonly onDefect: DispatcherOptions['onDefect'];
  /** Lets a caller pass, for services that are not the dispatcher's. */
  readonly gate: CallerGate;
}

const decoded = (call: Call): Message => {
  try {
    return call.decode();
  } catch (cause) {
    throw undecodable(cause);
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
  const byName = handlers as unknown as Readonly<Record<string, (request: Message) => Message | Promise<Message>>>;

  // No closures for a call that is answered at once, which most are.
  const count = ({ name }: Method, began: number, endTrace: EndTrace | null, code: number): void => {
    onCall(name, code, (performance.now() - began) / 1_000);
    endTrace?.(code);
  };
  const succeed = (
    method: Method,
    call: Call,
    began: number,
    endTrace: EndTrace | null,
    response: Message,
  ): Outcome => {
    count(method, began, endTrace, call.endedAs() ?? 0);
    return { ok: true, response };
  };
  const fail = (method: Method, call: Call, began: number, endTrace: EndTrace | null, error: unknown): Outcome => {
    const status = errorStatus(error, onDefect);
    count(method, began, endTrace, call.endedAs() ?? status.code);
    return { ok: false, status };
  };

  return {
    gate,
    onRefused: onCall,
    onDefect,
    run: (method, call) => {
      const began = performance.now();
      const endTrace = traceCall === null ? null : traceCall(method.name, (name) => call.header(name));
      try {
        gate(call.header('authorization'));
        if (call.header('assent-trace') === '1') {
          call.setHeader('assent-replica', replica);
          call.setHeader('assent-position', position());
        }
        const response = byName[method.localName]?.(decoded(call));
        if (response === undefined) throw new Error(`no handler for ${method.name}`);
        if (!(response instanceof Promise)) return succeed(method, call, began, endTrace, response);
        return response.then(
          (late) => succeed(method, call, began, endTrace, late),
          (error: unknown) => fail(method, call, began, endTrace, error),
        );
      } catch (error) {
        return fail(method, call, began, endTrace, error);
      }
    },
  };
};
