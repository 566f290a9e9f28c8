/** The HTTP door, on connect-node: Connect, gRPC-Web and gRPC, and the plain pages for probes and metrics. */
import { createServer as createHttp1Server } from 'node:http';
import { createServer as createHttp2Server, createSecureServer, type ServerHttp2Session } from 'node:http2';
import { createServer as createNetServer, type Server, type Socket } from 'node:net';
import { type Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import type { Address, Config } from '../config.ts';
import type { ErrorStatus } from '../rpc/errors.ts';
import { formatAddress } from './address.ts';
import { type Dispatcher, type Method, methods } from './dispatch.ts';
import { type Door, MAX_MESSAGE_BYTES, MAX_STREAMS_PER_CONNECTION } from './door.ts';

/** The longest deadline that a caller may ask for, in milliseconds; longer ones are refused as INVALID_ARGUMENT. */
const MAX_TIMEOUT_MS = 60_000;

const connectError = ({ code, message, details }: ErrorStatus): ConnectError => {
  const error = new ConnectError(message, code as Code);
  error.details = details.map(({ typeUrl, value }) => ({ type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1), value }));
  return error;
};

const unaryHandler = (dispatcher: Dispatcher, method: Method) => async (request: unknown, context: HandlerContext) => {
  const outcome = await dispatcher.run(method, {
    header: (name) => context.requestHeader.get(name) ?? undefined,
    setHeader: (name, value) => context.responseHeader.set(name, value),
    // connect-node has decoded it: the descriptor of the route is the method's.
    decode: () => request as ReturnType<Parameters<Dispatcher['run']>[1]['decode']>,
  });
  if (outcome.ok) return outcome.response;
  throw connectError(outcome.status);
};

type NodeHandler = ReturnType<typeof connectNodeAdapter>;
type Page = () => Promise<{ readonly status: number; readonly type: string; readonly text: string }>;

export interface HttpDoorOptions {
  readonly address: Address;
  readonly tls: Config['tls'];
  readonly dispatcher: Dispatcher;
  /** Prometheus' text format and its content type. */
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>;
}

/** Creates the door; nothing listens before {@link Door.listen}. */
export const createHttpDoor = ({ address, tls, dispatcher, metrics }: HttpDoorOptions): Door => {
  let serving = false;
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();

  const pages: Readonly<Record<string, Page>> = {
    '/livez': async () => ({ status: 200, type: 'text/plain', text: 'ok\n' }),
    '/readyz': async () =>
      serving
        ? { status: 200, type: 'text/plain', text: 'ok\n' }
        : { status: 503, type: 'text/plain', text: 'not serving\n' },
    '/metrics': async () => {
      const { text, contentType } = await metrics();
      return { status: 200, type: contentType, text };
    },
  };
  const fallback: NodeHandler = (request, response) => {
    const page = request.method === 'GET' ? pages[new URL(request.url ?? '/', 'http://localhost').pathname] : undefined;
    const answer = page?.() ?? Promise.resolve({ status: 404, type: 'text/plain', text: 'not found\n' });
    void answer.then(({ status, type, text }) => {
      response.writeHead(status, { 'content-type': type });
      response.end(text);
    });
  };
  const handler = connectNodeAdapter({
    routes: (router: ConnectRouter) => {
      for (const method of methods) router.rpc(method, unaryHandler(dispatcher, method));
    },
    fallback,
    readMaxBytes: MAX_MESSAGE_BYTES,
    maxTimeoutMs: MAX_TIMEOUT_MS,
    // proto3's JSON leaves out false: a denial is to be read as one by whoever looks at it.
    jsonOptions: { alwaysEmitImplicit: true },
  });

  const track = (session: ServerHttp2Session): void => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  };
  const settings = { maxConcurrentStreams: MAX_STREAMS_PER_CONNECTION };

  /** TLS tells the protocols apart by ALPN; in the clear, the first bytes do: HTTP/2 begins with "PRI". */
  const plainServer = (): Server => {
    const http1 = createHttp1Server(handler);
    const http2 = createHttp2Server({ settings }, handler).on('session', track);
    const FIRST_BYTE_TIMEOUT_MS = 10_000;
    return createNetServer((socket) => {
      // Without this a connection that never says anything would be kept for ever.
      socket.setTimeout(FIRST_BYTE_TIMEOUT_MS, () => socket.destroy());
      socket.on('error', () => socket.destroy());
      socket.once('readable', () => {
        const first: Buffer | null = socket.read();
        if (first === null) return;
        socket.setTimeout(0);
        socket.unshift(first);
        // No HTTP/1 method of this door begins like HTTP/2's preface.
        (first.subarray(0, 3).toString('latin1') === 'PRI' ? http2 : http1).emit('connection', socket);
      });
    });
  };
  const server: Server =
    tls === null
      ? plainServer()
      : createSecureServer(
          {
            allowHTTP1: true,
            cert: tls.cert,
            key: tls.key,
            settings,
            ...(tls.clientCa === null ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: true }),
          },
          handler,
        ).on('session', track);
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
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      // GOAWAY: calls under way finish, no new ones begin.
      for (const session of sessions) session.close();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, timeoutMs);
      await closed;
      clearTimeout(timer);
    },
  };
};
