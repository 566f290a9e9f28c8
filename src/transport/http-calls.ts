/** The calls of the HTTP door: connect reads and writes them, the dispatcher runs them. */
import { type Message, toBinary, toJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { unlessAborted } from '../within.ts';
import { reached } from './connect-adapter.ts';
import { connectError } from './connect-error.ts';
import { type AdmittedCall, type Call, type Dispatcher, type Method, methods } from './dispatch.ts';

/** How JSON is read and written. */
export const JSON_OPTIONS = {
  // proto3's JSON leaves out false: a denial is to be read as one by whoever looks at it.
  alwaysEmitImplicit: true,
  // A misspelt organization would be left out, and the token's active one asked about in its place.
  ignoreUnknownFields: false,
  textDecoder: new TextDecoder('utf-8', { fatal: true }),
};

const callOf = (context: HandlerContext): Call => ({
  header: (name) => context.requestHeader.get(name) ?? undefined,
  setHeader: (name, value) => context.responseHeader.set(name, value),
  endedAs: () => {
    if (!context.signal.aborted) return null;
    // A caller whose deadline passed may hang up before connect notices.
    if ((context.timeoutMs() ?? 1) <= 0) return Code.DeadlineExceeded;
    // The timer of a deadline may end before the clock has reached it.
    return ConnectError.from(context.signal.reason).code === Code.DeadlineExceeded
      ? Code.DeadlineExceeded
      : Code.Canceled;
  },
  onEnd: (listener) => {
    if (context.signal.aborted) listener();
    else context.signal.addEventListener('abort', listener, { once: true });
  },
});

const admittedCall = createContextKey<AdmittedCall | null>(null);

/** Run by connect when it has the headers, before it reads anything of the body. */
export const requestGate = (dispatcher: Dispatcher) => (context: HandlerContext) => {
  const method = methods.find((known) => known === context.method);
  if (method === undefined) throw new Error(`no method ${context.method.name}`);
  const admitted = dispatcher.admit(method, callOf(context));
  if (admitted.ok) {
    context.values.set(admittedCall, admitted);
    return;
  }
  reached(context);
  throw connectError(admitted.status);
};

/**
 * Makes sure of an answer while its call is not counted yet: connect encodes when it has been, and would count as OK and tell
 * in its own words what cannot be encoded.
 */
const encodable =
  ({ output }: Method, json: boolean) =>
  (response: Message): Message => {
    if (json) toJson(output, response, JSON_OPTIONS);
    else toBinary(output, response);
    return response;
  };

/** Handles the calls that came through {@link requestGate}. */
export const unaryHandler = (dispatcher: Dispatcher) => async (request: unknown, context: HandlerContext) => {
  const { signal } = context;
  // The deadline may have passed while the message came: connect does not look, and nothing would end the call.
  signal.throwIfAborted();
  reached(context);
  const admitted = context.values.get(admittedCall);
  if (admitted === null) throw new Error('connect asked the handler without the gate');
  const json = context.responseHeader.get('content-type')?.includes('json') === true;
  // connect-node has decoded it, by the descriptor of the route, which is the method's.
  const running = dispatcher.run(admitted, () => request as Message, encodable(admitted.method, json));
  // No longer than the caller: connect-node tells of a deadline and leaves the rest to us.
  const outcome = running instanceof Promise ? await unlessAborted(running, signal) : running;
  if (outcome.ok) return outcome.answer;
  throw connectError(outcome.status);
};
