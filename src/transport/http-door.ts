/** The HTTP door, on connect-node: Connect, gRPC-Web and gRPC, and the plain pages for probes and metrics. */
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { type Message, toBinary, toJson } from '@bufbuild/protobuf';
import { Code, createContextKey, type HandlerContext } from '@connectrpc/connect';
import type { Config } from '../config.ts';
import { BINARY_OPTIONS } from '../rpc/decode.ts';
import type { Scrape } from '../telemetry/metrics.ts';
import { formatAddress } from './address.ts';
import { createConnectAdapter, type NodeHandler, reached } from './connect-adapter.ts';
import { connectError } from './connect-error.ts';
import { type AdmittedCall, type Call, type Dispatcher, type Method, methods } from './dispatch.ts';
import { clientCertificates, type Door, type DoorOptions, HTTP2_OPTIONS, MAX_MESSAGE_BYTES } from './door.ts';
import { keepAlive } from './keepalive.ts';
import { createPages } from './pages.ts';
import { answerAll, createPlainServer, type PlainServer } from './plain-server.ts';
import { rememberSockets } from './secure-sockets.ts';

/** The longest deadline that a caller may ask for, in milliseconds; longer ones are refused as INVALID_ARGUMENT. */
const MAX_TIMEOUT_MS = 60_000;

const JSON_OPTIONS = {
  // proto3's JSON leaves out false: a denial is to be read as one by whoever looks at it.
  alwaysEmitImplicit: true,
  // A misspelt organization would be left out, and the token's active one asked about in its place.
  ignoreUnknownFields: false,
  textDecoder: new TextDecoder('utf-8', { fatal: true }),
};

/** Waits for an outcome, but no longer than the caller: connect-node tells of a deadline and leaves the rest to us. */
const orAborted = async <Answer>(outcome: Promise<Answer>, signal: AbortSignal): Promise<Answer> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([outcome, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};

const callOf = (context: HandlerContext): Call => ({
  header: (name) => context.requestHeader.get(name) ?? undefined,
  setHeader: (name, value) => context.responseHeader.set(name, value),
  endedAs: () => {
    if (!context.signal.aborted) return null;
    // A caller whose deadline passed may hang up before connect notices.
    return (context.timeoutMs() ?? 1) <= 0 ? Code.DeadlineExceeded : Code.Canceled;
  },
});

const admittedCall = createContextKey<AdmittedCall | null>(null);

/** Run by connect when it has the headers, before it reads anything of the body. */
const requestGate = (dispatcher: Dispatcher) => (context: HandlerContext) => {
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

const ignore = (): void => {};

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

const unaryHandler = (dispatcher: Dispatcher) => async (request: unknown, context: HandlerContext) => {
  const { signal } = context;
  // The deadline may have passed while the message came: connect does not look, and nothing would end the call.
  signal.throwIfAborted();
  reached(context);
  const admitted = context.values.get(admittedCall);
  if (admitted === null) throw new Error('connect asked the handler without the gate');
  const json = context.responseHeader.get('content-type')?.includes('json') === true;
  // connect-node has decoded it, by the descriptor of the route, which is the method's.
  const running = dispatcher.run(admitted, () => request as Message, encodable(admitted.method, json));
  const outcome = running instanceof Promise ? await orAborted(running, signal) : running;
  if (outcome.ok) return outcome.answer;
  throw connectError(outcome.status);
};

export interface HttpDoorOptions extends DoorOptions {
  readonly metrics: Scrape;
}

/** Creates the door; nothing listens before {@link Door.listen}. */
export const createHttpDoor = ({ address, tls, dispatcher, metrics, keepalive }: HttpDoorOptions): Door => {
  let serving = false;
  let stopping = false;
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const stopKeepAlive = keepAlive(sessions, keepalive);
  const pages = createPages(metrics, () => serving);

  const adapter = createConnectAdapter({
    routes: (router) => {
      for (const method of methods) router.rpc(method, unaryHandler(dispatcher));
    },
    requestGate: requestGate(dispatcher),
    onRefused: dispatcher.onRefused,
    onDefect: dispatcher.onDefect,
    fallback: (request, response) => {
      void pages(request.method, request.url).then(({ status, type, text }) => {
        response.writeHead(status, { 'content-type': type });
        response.end(request.method === 'HEAD' ? '' : text);
      });
    },
    readMaxBytes: MAX_MESSAGE_BYTES,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    binaryOptions: BINARY_OPTIONS,
    jsonOptions: JSON_OPTIONS,
  });
  const handler: NodeHandler = (request, response) => {
    // Who reads a request, or writes an answer, stops listening when it is done, and a connection that breaks off in that
    // moment would end the process.
    request.on('error', ignore);
    response.on('error', ignore);
    // HTTP/1.1 has no GOAWAY: the answer itself says that the connection ends.
    if (stopping && request.httpVersionMajor === 1) response.setHeader('connection', 'close');
    adapter(request, response);
  };

  const onSession = (session: ServerHttp2Session): void => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  };
  const secureServer = ({ cert, key, clientCa }: NonNullable<Config['tls']>): PlainServer => {
    const options = { ...HTTP2_OPTIONS, allowHTTP1: true, cert, key, ...clientCertificates(clientCa) };
    const secure = createSecureServer(options).on('session', onSession);
    rememberSockets(secure);
    answerAll(secure, handler);
    // Its HTTP/1.1 connections are ended by the answer's `connection: close`, or by the bound on stopping.
    return { server: secure, closeIdleConnections: () => {} };
  };
  const { server, closeIdleConnections } = tls === null ? createPlainServer(handler, onSession) : secureServer(tls);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  return {
    listen: async () => {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        const listening = (): void => resolve();
        if (address.kind === 'unix') server.listen(address.path, listening);
        else server.listen(address.port, address.host, listening);
      });
      const bound = server.address();
      return formatAddress(address, typeof bound === 'object' && bound !== null ? bound.port : undefined);
    },
    setServing: (value) => {
      serving = value;
    },
    stop: async (timeoutMs) => {
      stopping = true;
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      // GOAWAY: calls under way finish, no new ones begin.
      for (const session of sessions) session.close();
      closeIdleConnections();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, timeoutMs);
      await closed;
      clearTimeout(timer);
      stopKeepAlive();
    },
  };
};
