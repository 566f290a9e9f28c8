/** The HTTP door, on connect-node: Connect, gRPC-Web and gRPC, and the plain pages for probes and metrics. */
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Config } from '../config.ts';
import { BINARY_OPTIONS } from '../rpc/decode.ts';
import type { Scrape } from '../telemetry/metrics.ts';
import { formatAddress } from './address.ts';
import { createConnectAdapter, type NodeHandler } from './connect-adapter.ts';
import { methods } from './dispatch.ts';
import { clientCertificates, type Door, type DoorOptions, HTTP2_OPTIONS, MAX_MESSAGE_BYTES } from './door.ts';
import { JSON_OPTIONS, requestGate, unaryHandler } from './http-calls.ts';
import { keepAlive } from './keepalive.ts';
import { createPages } from './pages.ts';
import { answerAll, createPlainServer, type PlainServer } from './plain-server.ts';
import { rememberSockets } from './secure-sockets.ts';

/** The longest deadline that a caller may ask for, in milliseconds; longer ones are refused as INVALID_ARGUMENT. */
const MAX_TIMEOUT_MS = 60_000;

const ignore = (): void => {};

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

  /** HTTP/1.1 has no GOAWAY: the answer itself says that the connection ends. */
  const sayLast: NodeHandler = (request, response) => {
    if (stopping && request.httpVersionMajor === 1) response.setHeader('connection', 'close');
  };

  const adapter = createConnectAdapter({
    routes: (router) => {
      for (const method of methods) router.rpc(method, unaryHandler(dispatcher));
    },
    requestGate: requestGate(dispatcher),
    onRefused: dispatcher.onRefused,
    onDefect: dispatcher.onDefect,
    beforeAnswer: sayLast,
    fallback: (request, response) => {
      void pages(request.method, request.url).then(({ status, type, text }) => {
        sayLast(request, response);
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
    // Node ends those of HTTP/1.1 that wait for a next request when the server closes. One that has said nothing lasts until the
    // bound on stopping.
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
