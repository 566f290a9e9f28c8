/**
 * The service's own methods at the door of grpc-js, answered by an interceptor. The handler of grpc-js makes a stream for
 * each call and sends the status only when the message has been written, in a write of its own: that took a tenth of the
 * CPU of a hit in memory (docs/performance.md).
 */
import { type Message, toBinary } from '@bufbuild/protobuf';
import { Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { decodeRequest } from '../rpc/decode.ts';
import { Code } from '../rpc/errors.ts';
import type { AdmittedCall, Call, Dispatcher, Method, Outcome } from './dispatch.ts';
import { grpcError } from './grpc-error.ts';
import { MORE_MESSAGES, NO_MESSAGE } from './refusal-texts.ts';

const OK = { code: 0, details: 'OK', metadata: null };
const ignore = (): void => {};

type Listener = Parameters<ServerInterceptingCallInterface['start']>[0];

const encode = (output: Method['output'], message: Message): Buffer => {
  const bytes = toBinary(output, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};

/** A call: what grpc-js tells of it, and what the dispatcher asks. */
class UnaryCall implements Listener, Call {
  readonly #dispatcher: Dispatcher;
  readonly #method: Method;
  readonly #call: ServerInterceptingCallInterface;
  #received: Metadata | null = null;
  #admitted: AdmittedCall | null = null;
  #request: Buffer | null = null;
  #headers: Metadata | null = null;
  #cancelled = false;
  #onEnd: (() => void) | null = null;

  constructor(dispatcher: Dispatcher, method: Method, call: ServerInterceptingCallInterface) {
    this.#dispatcher = dispatcher;
    this.#method = method;
    this.#call = call;
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#received = metadata;
    const admitted = this.#dispatcher.admit(this.#method, this);
    if (!admitted.ok) {
      // Without a read grpc-js hands nothing over, and drops what comes.
      this.#answer(admitted);
      return;
    }
    this.#admitted = admitted;
    this.#call.startRead();
  }

  onReceiveMessage(message: Buffer): void {
    if (this.#request === null) {
      this.#request = message;
      this.#call.startRead();
    } else {
      this.#refuse(MORE_MESSAGES);
    }
  }

  onReceiveHalfClose(): void {
    const admitted = this.#admitted;
    const request = this.#request;
    if (admitted === null) return;
    if (request === null) {
      this.#refuse(NO_MESSAGE);
      return;
    }
    const { input, output } = this.#method;
    const outcome = this.#dispatcher.run(
      admitted,
      () => decodeRequest(input, request),
      (response) => encode(output, response),
    );
    // grpc-js answers DEADLINE_EXCEEDED itself when a deadline passes and drops what comes after it.
    if (outcome instanceof Promise) void outcome.then((late) => this.#answer(late));
    else this.#answer(outcome);
  }

  onCancel(): void {
    this.#cancelled = true;
    this.#onEnd?.();
  }

  header(name: string): string | undefined {
    return this.#received?.get(name)[0]?.toString();
  }

  setHeader(name: string, value: string): void {
    this.#headers ??= new Metadata();
    this.#headers.set(name, value);
  }

  endedAs(): number | null {
    if (Number(this.#call.getDeadline()) <= Date.now()) return Code.DEADLINE_EXCEEDED;
    return this.#cancelled ? Code.CANCELLED : null;
  }

  onEnd(listener: () => void): void {
    if (this.#cancelled) listener();
    else this.#onEnd = listener;
  }

  #answer(outcome: Outcome<Buffer>): void {
    if (this.#headers !== null) this.#call.sendMetadata(this.#headers);
    if (!outcome.ok) {
      this.#call.sendStatus(grpcError(outcome.status));
      return;
    }
    // At once behind the message: both go out in one write.
    this.#call.sendMessage(outcome.answer, ignore);
    this.#call.sendStatus(OK);
  }

  #refuse(details: string): void {
    this.#call.sendStatus({ code: Code.UNIMPLEMENTED, details, metadata: null });
  }
}

/** Serves a call in place of the handler that grpc-js would call. */
export const serveUnary = (
  dispatcher: Dispatcher,
  method: Method,
  call: ServerInterceptingCallInterface,
): ServerInterceptingCall =>
  new ServerInterceptingCall(call, { start: () => call.start(new UnaryCall(dispatcher, method, call)) });
