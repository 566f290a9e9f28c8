/**
 * Listens on one address, in the clear or with TLS, and hands each connection to HTTP/2 or HTTP/1.1: by ALPN with TLS, by the
 * first bytes in the clear. Keeps the connections alive and ends them at a stop.
 */
import { createServer as createHttp1Server, type Server as Http1Server, type ServerOptions } from 'node:http';
import {
  constants,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type SecureContextOptions, Server as TlsServer } from 'node:tls';
import type { Address, Config } from '../config/index.ts';
import { formatAddress } from './address.ts';
import { endWhenHalfClosed, takeWaiting } from './closing.ts';
import { connectionOf } from './connection.ts';
import type { Connections } from './connections.ts';
import { onFirstBytes, PREFACE } from './first-bytes.ts';
import { dropRest } from './http1-parser.ts';
import { keepAlive } from './keepalive.ts';
import {
  HTTP1_TIMES,
  http2Options,
  type Keepalive,
  MAX_STREAMS_OF_STRANGER,
  MAX_STREAMS_PER_CONNECTION,
} from './limits.ts';
import type { LoadControl } from './overload/load-control.ts';
import { isRefusable } from './overload/refusal.ts';
import type { StrangerLine } from './stranger-line.ts';
import { listenOn } from './unix-socket.ts';

/** The time that a connection of HTTP/1.1 has for its requests. Absent values are Node's own. */
export type Http1Bounds = Pick<
  ServerOptions,
  'headersTimeout' | 'requestTimeout' | 'keepAliveTimeout' | 'connectionsCheckingInterval'
>;

export interface ListenerOptions {
  readonly address: Address;
  /** The permission bits of a unix socket. */
  readonly socketMode: number;
  readonly tls: Config['tls'];
  readonly keepalive: Keepalive;
  readonly connections: Connections;
  readonly load: LoadControl;
  readonly strangerLine: StrangerLine;
  /** Answers a stream of HTTP/2. The arguments are those of Node's event `stream`. Null refuses HTTP/2 in the clear. */
  readonly onStream:
    | ((stream: ServerHttp2Stream, headers: IncomingHttpHeaders, ...rest: readonly unknown[]) => void)
    | null;
  /** Answers HTTP/1.1; null refuses it. Connections are handed to it. */
  readonly http1: Http1Server | null;
  /** The time, in milliseconds, that a connection has for the handshake of TLS, and then to show which version it speaks. */
  readonly firstBytesMs?: number;
}

export interface Listener {
  /** Uses other texts of the TLS files for the handshakes from now on; in the clear nothing happens. */
  setTls(tls: NonNullable<Config['tls']>): void;
  /** Listens; resolves to the address as people write it. */
  listen(): Promise<string>;
  /**
   * Takes no new connections, and answers the calls that are under way or on their way, for at most `timeoutMs`; then ends them.
   * @param endStreams Called when no connection of HTTP/2 takes a new call: ends the calls that would go on for ever.
   */
  stop(timeoutMs: number, endStreams?: () => void): Promise<void>;
}

const FIRST_BYTES_MS = 10_000;

/** The time of a stop, in milliseconds, in which a request arrives that its caller sent before it could learn of the stop. */
const LATE_REQUEST_MS = 250;

/** Creates the listener; nothing listens before {@link Listener.listen}. */
export function createListener(options: ListenerOptions): Listener {
  const { address, socketMode, tls, keepalive, connections, load, strangerLine, onStream, http1 } = options;
  const { firstBytesMs = FIRST_BYTES_MS } = options;
  /** The sessions of HTTP/2, each with its socket, which Node keeps to itself. */
  const sessions = new Map<ServerHttp2Session, Socket>();
  const sockets = new Set<Socket>();
  /** Connections that have not shown their version yet. */
  const undecided = new Set<Socket>();
  /** `draining`: connections end with the call that is under way. `silent`: those without a call have ended. */
  let state: 'open' | 'draining' | 'silent' = 'open';

  let connecting: Socket | null = null;
  const http2 = createHttp2Server(http2Options(firstStreams(connections)));
  http2.on('session', (session) => {
    if (connecting === null) return;
    sessions.set(session, connecting);
    const connection = connectionOf(connecting);
    const peer = load.add(session);
    connection.begin(session, () => load.open(peer));
    session.on('stream', (stream, headers, ...rest) => {
      if (!connection.request(stream)) refuse(stream);
      // The load is that of known callers. Strangers have other bounds.
      else if (!connection.known || load.admit(peer) || !isRefusable(headers)) onStream?.(stream, headers, ...rest);
      else load.shed(stream, headers);
    });
    session.once('close', () => sessions.delete(session));
    if (state !== 'open') session.close();
  });
  const startHttp2 = (socket: Socket): void => {
    connecting = socket;
    // Node makes the session within this call.
    http2.emit('connection', socket);
    connecting = null;
  };
  const startHttp1 = (socket: Socket): void => {
    http1?.emit('connection', socket);
    dropRest(socket);
  };
  const byFirstBytes = (socket: Socket): void => {
    undecided.add(socket);
    socket.once('close', () => undecided.delete(socket));
    // A session makes all streams of the first bytes at once: 64 KB are hundreds.
    const start = (work: () => void): void => {
      if (connectionOf(socket).known) work();
      else strangerLine.run(work, () => socket.destroyed);
    };
    onFirstBytes(socket, firstBytesMs, start, (text) => {
      undecided.delete(socket);
      // With TLS it is ALPN that decides. Node refuses HTTP/2 without it, and leaves the socket without a handler of errors.
      const http2Begins = text === PREFACE || http1 === null;
      (tls === null && http2Begins && onStream !== null ? startHttp2 : startHttp1)(socket);
    });
  };
  // A server that speaks only HTTP/2 leaves it to nghttp2 to refuse anything else.
  const server =
    tls === null
      ? createTcpServer()
      : createTlsListener(tls, http1 !== null, firstBytesMs, (socket, protocol) => {
          endWhenHalfClosed(socket);
          if (state === 'silent' || !connections.join(socket)) socket.destroy();
          else if (protocol === 'h2') startHttp2(socket);
          else if (http1 === null) socket.destroy();
          else byFirstBytes(socket);
        });
  server.on('connection', (socket: Socket) => {
    // Over TLS a connection on a unix socket is taken in when its handshake is done.
    const later = tls !== null && address.kind === 'unix';
    if (!later && connections.accept(socket, tls !== null) === null) return;
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    if (tls !== null) return;
    endWhenHalfClosed(socket);
    // A session costs as much as ten calls: a stranger that sends nothing gets none.
    (http1 === null && connectionOf(socket).known ? startHttp2 : byFirstBytes)(socket);
  });
  const stopKeepalive = keepAlive(sessions, keepalive);
  const endSilent = (): void => {
    state = 'silent';
    http1?.closeIdleConnections();
    for (const socket of undecided) socket.destroy();
    // Some callers connect long before their first call. Nothing is under way on such a connection.
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
  };

  return {
    setTls: (changed) => {
      if (server instanceof TlsServer) server.setSecureContext(contextOf(changed));
    },
    listen: async () => {
      await listenOn(server, address, socketMode);
      const bound = server.address();
      return formatAddress(address, typeof bound === 'object' && bound !== null ? bound.port : undefined);
    },
    stop: async (timeoutMs, endStreams) => {
      await takeWaiting(server);
      state = 'draining';
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      // GOAWAY names the last call that is answered. Its peer may send later ones again on another connection (RFC 9113, section
      // 6.8). Node has no first GOAWAY with the largest number: after any GOAWAY it takes no call.
      for (const session of sessions.keys()) session.close();
      endStreams?.();
      const silence = setInterval(endSilent, LATE_REQUEST_MS);
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, timeoutMs);
      await closed;
      clearInterval(silence);
      clearTimeout(timer);
      stopKeepalive();
    },
  };
}

/** A server of HTTP/1.1 for {@link ListenerOptions.http1}. */
export function createHttp1(bounds: Http1Bounds = {}): Http1Server {
  const server = createHttp1Server({ ...HTTP1_TIMES, ...bounds });
  // Node begins to look for slow connections when a server begins to listen. This one is handed its connections and never does.
  server.emit('listening');
  return server;
}

/** The streams that a connection may open before its first call. */
function firstStreams({ callersAuthenticate }: Connections): number {
  // guard: streams-of-a-stranger
  return callersAuthenticate ? MAX_STREAMS_OF_STRANGER : MAX_STREAMS_PER_CONNECTION;
}

/** Ends a stream of a connection that takes no more. */
function refuse(stream: ServerHttp2Stream): void {
  stream.on('error', () => {});
  stream.close(constants.NGHTTP2_REFUSED_STREAM);
}

function createTlsListener(
  tls: NonNullable<Config['tls']>,
  http1: boolean,
  handshakeTimeout: number,
  onConnection: (socket: Socket, protocol: string) => void,
): Server {
  const ALPNProtocols = http1 ? ['h2', 'http/1.1'] : ['h2'];
  const callers = tls.clientCa === null ? {} : { requestCert: true, rejectUnauthorized: true };
  const server = createTlsServer({ ...contextOf(tls), ALPNProtocols, handshakeTimeout, ...callers });
  // Node reports a handshake that takes too long and leaves the connection open.
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('secureConnection', (socket) => {
    // A client without ALPN speaks HTTP/1.1.
    onConnection(socket, socket.alpnProtocol || 'http/1.1');
  });
  return server;
}

function contextOf({ cert, key, clientCa }: NonNullable<Config['tls']>): SecureContextOptions {
  // A list of authorities: Node takes an empty text for none, and then trusts its own list of public authorities.
  return clientCa === null ? { cert, key } : { cert, key, ca: [clientCa] };
}
