/** The sockets of sessions of HTTP/2 over TLS, which Node keeps to itself. */
import type { EventEmitter } from 'node:events';
import type { ServerHttp2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';

const sockets = new WeakMap<ServerHttp2Session, TLSSocket>();

/** Remembers the socket of each session of a server, for {@link destroySession}. */
export const rememberSockets = (server: EventEmitter): void => {
  let securing: TLSSocket | null = null;
  // In front of Node's own listener, which makes the session of the socket at once.
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    securing = socket;
  });
  server.on('session', (session: ServerHttp2Session) => {
    if (securing !== null) sockets.set(session, securing);
    securing = null;
  });
};

/**
 * Destroys a session and its socket. By itself Node waits for a write that is under way, and one to a caller that reset its
 * connection over TLS never ends: its session was gone then, and its socket open for good.
 */
export const destroySession = (session: ServerHttp2Session): void => {
  session.destroy();
  sockets.get(session)?.destroy();
};
