/**
 * From Node's requests to connect's handlers and back, in place of connect-node's own adapter. That one makes a URL of
 * the Host header, and a client that sends none, or one that is no host, would end the process. It also leaves requests
 * that connect cannot decode to connect, which answers INTERNAL to bad protobuf and gives no details for anything.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { constants } from 'node:http2';
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  createConnectRouter,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from '@connectrpc/connect';
import {
  compressionBrotli,
  compressionGzip,
  type connectNodeAdapter,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { explainRefusal } from './connect-refusal.ts';
import { isBeyondTimers, parseTimeout } from './deadline.ts';

/** Answers a request of either version of HTTP. */
export type NodeHandler = ReturnType<typeof connectNodeAdapter>;

export interface ConnectAdapterOptions extends ConnectRouterOptions {
  /** Adds the methods to the router; each has to call {@link reached}. */
  readonly routes: (router: ConnectRouter) => void;
  /** Answers every path that is not a method's. */
  readonly fallback: NodeHandler;
  /** Called with each call when its answer is about to go out. */
  readonly beforeAnswer: NodeHandler;
  /** Called with each call that connect refused by itself: the method's name, the google.rpc.Code and the seconds. */
  readonly onRefused: (method: string, code: number, seconds: number) => void;
  readonly onDefect: (error: unknown) => void;
}

const progress = createContextKey({ reached: false });

/** Notes that a call came as far as its handler, or the gate in front of it: its answer is not connect's own. */
export const reached = (context: HandlerContext): void => {
  context.values.get(progress).reached = true;
};

/** Whether a caller left while it was sending: of such a message connect says that it is none. */
const hasLeft = (request: Parameters<NodeHandler>[0]): boolean =>
  // Node says that a stream of HTTP/2 was aborted only when it has been closed.
  request.aborted || ('stream' in request && request.stream.rstCode !== constants.NGHTTP2_NO_ERROR);

/** Too long a deadline for this door, in milliseconds and as long as `grpc-timeout` can say it: 27 hours. */
const TOO_LONG = '99999999';

/**
 * Shortens a deadline that no timer can be set for: connect sets one before it refuses it, and before the gate, so that
 * anybody could fill stderr with Node's warnings.
 */
const shortenDeadlines = (headers: IncomingHttpHeaders): void => {
  const { 'grpc-timeout': grpc, 'connect-timeout-ms': connect } = headers;
  if (isBeyondTimers(parseTimeout(String(grpc)) ?? 0)) headers['grpc-timeout'] = `${TOO_LONG}m`;
  if (isBeyondTimers(Number(connect))) headers['connect-timeout-ms'] = TOO_LONG;
};

/** Creates the adapter. */
export const createConnectAdapter = (options: ConnectAdapterOptions): NodeHandler => {
  const { routes, fallback, beforeAnswer, onRefused, onDefect, ...routerOptions } = options;
  const router = createConnectRouter({ acceptCompression: [compressionGzip, compressionBrotli], ...routerOptions });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  const run = async (
    handler: (typeof router.handlers)[number],
    ...[request, response]: Parameters<NodeHandler>
  ): Promise<void> => {
    const began = performance.now();
    const state = { reached: false };
    const values = createContextValues().set(progress, state);
    let answer = await handler(universalRequestFromNodeRequest(request, response, undefined, values));
    if (!state.reached) {
      const refusal = await explainRefusal(request.headers['content-type'] ?? '', answer);
      const code = hasLeft(request) ? Code.Canceled : refusal.code;
      if (code !== null) onRefused(handler.method.name, code, (performance.now() - began) / 1_000);
      answer = refusal.answer;
    }
    beforeAnswer(request, response);
    await universalResponseToNodeResponse(answer, response);
  };

  return (request, response) => {
    const handler = handlers.get((request.url ?? '').split('?', 1)[0] ?? '');
    if (handler === undefined) {
      fallback(request, response);
      return;
    }
    // What a client calls us is never looked at: of HTTP/1.1 one of these names counts, of HTTP/2 the other.
    request.headers.host = 'assent';
    request.headers[':authority'] = 'assent';
    shortenDeadlines(request.headers);
    // All methods can be asked by GET, and what a cache keeps may be revoked.
    response.setHeader('cache-control', 'no-store');
    run(handler, request, response).catch((error: unknown) => {
      // Whoever left before the answer was written is no defect.
      if (ConnectError.from(error).code === Code.Internal && !request.socket.destroyed) onDefect(error);
      response.destroy();
    });
  };
};
