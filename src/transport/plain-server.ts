/** One port in the clear for HTTP/1.1 and HTTP/2: without TLS no ALPN tells them apart, but the first bytes do. */
import type { EventEmitter } from 'node:events';
import { createServer as createHttp1Server, type ServerOptions } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { createServer, type Server, type Socket } from 'node:net';
import type { NodeHandler } from './connect-adapter.ts';
import { HTTP2_OPTIONS } from './door.ts';

/** How HTTP/2's connection preface begins (RFC 9113, section 3.4); no method of HTTP/1.1 does. */
const PREFACE = 'PRI';

/** Calls `then` with the first bytes of a connection, put back to be read again. */
const onFirstBytes = (socket: Socket, timeoutMs: number, then: (text: string) => void): void => {
  const timeout = (): void => {
    socket.destroy();
  };
  const fail = (): void => {
    socket.destroy();
  };
  let seen: Buffer = Buffer.alloc(0);
  const look = (): void => {
    const more: Buffer | null = socket.read();
    if (more === null) return;
    seen = Buffer.concat([seen, more]);
    const text = seen.toString('latin1', 0, PREFACE.length);
    // One byte may come alone. It is put back only once it is enough: what is put back is readable at once, for ever.
    if (text.length < PREFACE.length && PREFACE.startsWith(text)) return;
    socket.unshift(seen);
    socket.off('readable', look).off('timeout', timeout).off('error', fail).setTimeout(0);
    then(text);
  };
  socket.on('readable', look).on('timeout', timeout).on('error', fail).setTimeout(timeoutMs);
};

/**
 * Answers the requests of a server of either version. Those that expect `100-continue`, too: by itself Node says so to a
 * caller that has reset its stream already, which throws, and would end the process.
 */
export const answerAll = (server: EventEmitter, handler: NodeHandler): void => {
  server.on('request', handler);
  server.on('checkContinue', (...[request, response]: Parameters<NodeHandler>) => {
    try {
      response.writeContinue();
    } catch {
      return;
    }
    handler(request, response);
  });
};

/** A server, and how to end its connections that wait for a request of HTTP/1.1, the first or the next. */
export interface PlainServer {
  readonly server: Server;
  closeIdleConnections(): void;
}

/** How slow a caller may be. */
export interface PlainServerBounds {
  /** To say anything at all, in milliseconds. */
  readonly firstBytesMs: number;
  /** To send a request of HTTP/1.1; what is left out is as Node has it. */
  readonly http1: Pick<ServerOptions, 'headersTimeout' | 'requestTimeout' | 'connectionsCheckingInterval'>;
}

const BOUNDS: PlainServerBounds = { firstBytesMs: 10_000, http1: {} };

/** Creates the server; nothing listens yet. `handler` serves both versions. */
export const createPlainServer = (
  handler: NodeHandler,
  onSession: (session: ServerHttp2Session) => void,
  { firstBytesMs, http1: slowness }: PlainServerBounds = BOUNDS,
): PlainServer => {
  const http1 = createHttp1Server(slowness);
  // Node begins to look for slow connections when a server begins to listen; this one is given its connections by another
  // and never does.
  http1.emit('listening');
  const http2 = createHttp2Server(HTTP2_OPTIONS).on('session', onSession);
  answerAll(http1, handler);
  answerAll(http2, handler);
  const silent = new Set<Socket>();
  const server = createServer((socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
    onFirstBytes(socket, firstBytesMs, (text) => {
      silent.delete(socket);
      (text === PREFACE ? http2 : http1).emit('connection', socket);
    });
  });
  const closeIdleConnections = (): void => {
    http1.closeIdleConnections();
    for (const socket of silent) socket.destroy();
  };
  return { server, closeIdleConnections };
};
