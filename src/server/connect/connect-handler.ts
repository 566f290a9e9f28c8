/** Calls by Connect and gRPC-Web on requests of HTTP/1.1 and HTTP/2, passed through the pipeline. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import { AssentError, invalidArgument, undecodable } from '../../errors.ts';
import { Code } from '../../rpc/status.ts';
import type { CallContext, Outcome } from '../call-context.ts';
import { certificateNamesOf } from '../client-certificate.ts';
import { type CallConnection, connectionOf } from '../connection.ts';
import { dropHeaders } from '../drop-headers.ts';
import { RefusedCall, statusOf } from '../errors.ts';
import type { UnaryMethod } from '../methods.ts';
import type { AdmittedCall, Pipeline } from '../pipeline.ts';
import { ACCEPTED_TYPES, type HttpAnswer, type IncomingCall, protocolOf, type RequestProtocol } from './protocols.ts';

export type HttpRequest = IncomingMessage | Http2ServerRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse;

/** Answers a request of either version of HTTP. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void;

/** The longest deadline of a call, in milliseconds. Longer ones are INVALID_ARGUMENT. */
const MAX_TIMEOUT_MS = 60_000;

/** The time, in milliseconds, for the answer that a deadline has passed to reach the caller. */
const ERROR_GRACE_MS = 1_000;

export interface ConnectHandlerOptions {
  readonly pipeline: Pipeline;
  readonly methods: readonly UnaryMethod[];
  /** Answers every path that is no method's. */
  readonly fallback: HttpHandler;
  /** Called when an answer is about to go out. */
  readonly beforeAnswer: HttpHandler;
}

/** Creates the handler. */
export function createConnectHandler(options: ConnectHandlerOptions): HttpHandler {
  const { pipeline, methods, fallback, beforeAnswer } = options;
  const routes = new Map(methods.map((method) => [method.path, method]));
  return (request, response) => {
    const { method: verb = '', url = '' } = request;
    const method = routes.get(url.split('?', 1)[0] ?? '');
    if (method === undefined) {
      fallback(request, response);
      return;
    }
    // Every method can be called by GET, and an answer that a cache keeps may be revoked.
    response.setHeader('cache-control', 'no-store');
    const send = (answer: HttpAnswer): void => {
      beforeAnswer(request, response);
      const { status, headers, body } = answer;
      writeAnswer(response, status, { ...headers, 'content-length': String(body.byteLength) }, body);
    };
    if (verb !== 'POST' && !(verb === 'GET' && method.safe)) {
      const allowed = method.safe ? ['GET', 'POST'] : ['POST'];
      connectionOfRequest(request).refused();
      send(plain(405, { allow: allowed.join(', ') }, `Call the method by ${allowed.join(' or ')}.`));
      return;
    }
    const protocol = protocolOf({ method: verb, url, header: (name) => headerOf(request, name) });
    if (protocol === null) {
      connectionOfRequest(request).refused();
      const types = ACCEPTED_TYPES.join(', ');
      send(plain(415, { 'accept-post': types }, `The content type is not supported: use ${types}; gRPC needs HTTP/2.`));
      return;
    }
    serve(pipeline, method, protocol, new HttpCall(request, response)).then(send, (error: unknown) => {
      pipeline.onDefect(error);
      response.destroy();
    });
  };
}

/** Runs one call; resolves to its answer and never rejects for a fault of the caller. */
async function serve(
  pipeline: Pipeline,
  method: UnaryMethod,
  protocol: RequestProtocol,
  call: HttpCall,
): Promise<HttpAnswer> {
  const began = performance.now();
  const admitted = pipeline.admit(method, call);
  if (!admitted.ok) {
    call.dropHeaders();
    return protocol.fail(admitted.status, {});
  }
  let message: Uint8Array;
  try {
    call.setDeadline(protocol.timeoutMs);
    message = await call.race(protocol.read(call, method.maxRequestBytes));
  } catch (error) {
    const refusal = refusalOf(error, call);
    const status = statusOf(refusal, (defect) => admitted.onDefect(defect));
    admitted.onRefused(call.endedAs() ?? status.code, (performance.now() - began) / 1_000);
    return protocol.fail(status, refusal instanceof RefusedCall ? refusal.metadata : {});
  }
  const outcome = await run(admitted, method, protocol, message, call);
  return outcome.ok ? protocol.answer(outcome.answer) : protocol.fail(outcome.status, {});
}

async function run(
  admitted: AdmittedCall<UnaryMethod>,
  { input, output }: UnaryMethod,
  { codec }: RequestProtocol,
  message: Uint8Array,
  call: HttpCall,
): Promise<Outcome<Uint8Array>> {
  const outcome = admitted.run(
    () => codec.decode(input, message),
    (response) => codec.encode(output, response),
  );
  if (!(outcome instanceof Promise)) return outcome;
  try {
    return await call.race(outcome);
  } catch (error) {
    // The pipeline counts the call when its handler is done.
    return { ok: false, status: statusOf(error, () => {}) };
  }
}

/** The error of a message that did not come or cannot be read. Its cause is the caller's, whatever it is. */
function refusalOf(error: unknown, call: HttpCall): unknown {
  if (call.endedAs() === Code.CANCELLED) return new RefusedCall(Code.CANCELLED, 'The caller has left.');
  if (error instanceof RefusedCall) return error.code === Code.INTERNAL ? undecodable(error) : error;
  return error instanceof AssentError ? error : undecodable(error);
}

/** The connection of a request. */
export function connectionOfRequest(request: HttpRequest): CallConnection {
  return connectionOf('stream' in request ? request.stream.session : request.socket);
}

function headerOf({ headers }: HttpRequest, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** One call: its headers, and how it ends before its answer. */
class HttpCall implements CallContext, IncomingCall {
  readonly #request: HttpRequest;
  readonly #response: HttpResponse;
  readonly #ended = Promise.withResolvers<never>();
  #endedAs: number | null = null;
  #onEnd: (() => void) | null = null;

  constructor(request: HttpRequest, response: HttpResponse) {
    this.#request = request;
    this.#response = response;
    this.#ended.promise.catch(() => {});
    response.once('close', () => this.#end(Code.CANCELLED, 'The caller has left.'));
    if ('stream' in request) request.once('aborted', () => this.#end(Code.CANCELLED, 'The caller has left.'));
  }

  get connection(): CallConnection {
    return connectionOfRequest(this.#request);
  }

  header(name: string): string | undefined {
    return headerOf(this.#request, name);
  }

  dropHeaders(): void {
    dropHeaders(this.#request.headers, this.#request.rawHeaders);
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  certificateNames(): readonly string[] {
    return certificateNamesOf('stream' in this.#request ? this.#request.stream.session : this.#request.socket);
  }

  onClose(listener: () => void): void {
    if (this.#response.destroyed) listener();
    else this.#response.once('close', listener);
  }

  endedAs(): number | null {
    return this.#endedAs;
  }

  onEnd(listener: () => void): void {
    if (this.#endedAs === null) this.#onEnd = listener;
    else listener();
  }

  /** @throws {AssentError} INVALID_ARGUMENT for a deadline that is none, or longer than a minute. */
  setDeadline(ms: number | null): void {
    if (ms === null) return;
    if (!(ms <= MAX_TIMEOUT_MS)) throw invalidArgument('', `the deadline must be 1 to ${MAX_TIMEOUT_MS} ms.`);
    let timer: NodeJS.Timeout | undefined;
    const passed = (): void => {
      // The answer was written and still waits for its caller, who may never read it.
      if (this.#response.writableEnded) this.#cut();
      else {
        this.#end(Code.DEADLINE_EXCEEDED, 'The deadline of the call has passed.');
        timer = setTimeout(() => this.#cut(), ERROR_GRACE_MS);
      }
    };
    this.#response.once('close', () => clearTimeout(timer));
    if (ms <= 0) passed();
    else timer = setTimeout(passed, ms);
  }

  onGone(listener: () => void): void {
    this.#response.once('close', listener);
  }

  /** The pieces of the body. A caller that leaves ends them without an error. */
  async *body(): AsyncIterable<Uint8Array> {
    yield* this.#request as AsyncIterable<Uint8Array>;
    // Node ends the body of a stream that was reset as if it were complete.
    const { aborted } = this.#request;
    const reset = 'stream' in this.#request && this.#request.stream?.rstCode !== constants.NGHTTP2_NO_ERROR;
    if (aborted || reset) this.#end(Code.CANCELLED, 'The caller has left.');
  }

  /** Waits for a step of the call, but no longer than its caller. */
  race<Result>(step: Promise<Result>): Promise<Result> {
    return Promise.race([this.#ended.promise, step]);
  }

  /** Ends the stream of HTTP/2, or the connection of HTTP/1.1, with an answer that has not gone out. */
  #cut(): void {
    if ('stream' in this.#response) this.#response.stream.close(constants.NGHTTP2_CANCEL);
    else this.#response.destroy();
  }

  #end(code: number, message: string): void {
    if (this.#endedAs !== null || this.#response.writableEnded) return;
    this.#endedAs = code;
    this.#ended.reject(new RefusedCall(code, message));
    this.#onEnd?.();
  }
}

function plain(status: number, headers: Readonly<Record<string, string>>, text: string): HttpAnswer {
  return { status, headers: { 'content-type': 'text/plain', ...headers }, body: Buffer.from(`${text}\n`) };
}

/** Writes an answer to a caller that is still there. */
export function writeAnswer(
  response: HttpResponse,
  status: number,
  headers: Readonly<Record<string, string>>,
  body: Uint8Array | string,
): void {
  if (response.destroyed || response.writableEnded) return;
  // The two types of responses overload these methods differently.
  const either = response as ServerResponse;
  either.writeHead(status, headers);
  either.end(body);
}
