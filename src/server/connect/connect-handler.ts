/** Calls by Connect and gRPC-Web on requests of HTTP/1.1 and HTTP/2, passed through the pipeline. */
import type { ServerResponse } from 'node:http';
import { AssentError, undecodable } from '../../errors.ts';
import { Code } from '../../rpc/status.ts';
import { Arrivals } from '../arrivals.ts';
import type { Outcome } from '../call-context.ts';
import { RefusedCall, statusOf } from '../errors.ts';
import type { UnaryMethod } from '../methods.ts';
import type { AdmittedCall, Pipeline } from '../pipeline.ts';
import { connectionOfRequest, HttpCall, type HttpRequest, type HttpResponse, headerOf } from './http-call.ts';
import { ACCEPTED_TYPES, type HttpAnswer, protocolOf, type RequestProtocol } from './protocols.ts';

/** Answers a request of either version of HTTP. */
export type HttpHandler = (request: HttpRequest, response: HttpResponse) => void;

export interface ConnectHandlerOptions {
  readonly pipeline: Pipeline;
  readonly methods: readonly UnaryMethod[];
  /** Answers every path that is no method's. */
  readonly fallback: HttpHandler;
  /** Called when an answer is about to go out. */
  readonly beforeAnswer: HttpHandler;
  /** Bounds the time for a message. */
  readonly arrivals?: Arrivals;
}

/** Creates the handler. */
export function createConnectHandler(options: ConnectHandlerOptions): HttpHandler {
  const { pipeline, methods, fallback, beforeAnswer } = options;
  const { arrivals = new Arrivals() } = options;
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
    serve(pipeline, method, protocol, new HttpCall(request, response), arrivals).then(send, (error: unknown) => {
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
  arrivals: Arrivals,
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
    arrivals.add(call);
    message = await call.race(protocol.read(call, method.maxRequestBytes));
    arrivals.remove(call);
  } catch (error) {
    arrivals.remove(call);
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
