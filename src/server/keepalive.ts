/** Finds peers of HTTP/2 that vanished without a word, and ends their connections. */
import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { Keepalive } from './limits.ts';

/**
 * Pings every session at each interval and destroys sessions that do not answer in time.
 * @returns Ends it.
 */
export function keepAlive(
  sessions: ReadonlyMap<ServerHttp2Session, Socket>,
  { intervalMs, timeoutMs }: Keepalive,
): () => void {
  const ping = (session: ServerHttp2Session, socket: Socket): void => {
    const timer = setTimeout(() => {
      session.destroy();
      // Node waits for a write that is under way. One to a caller that reset its connection over TLS never ends.
      socket.destroy();
    }, timeoutMs).unref();
    // Node may have destroyed the session while a write is pending. Its socket is still open: the timer destroys it.
    if (session.destroyed) return;
    // No answer either when the PING before it is still unanswered.
    session.ping(() => clearTimeout(timer));
  };
  const interval = setInterval(() => {
    for (const [session, socket] of sessions) ping(session, socket);
  }, intervalMs).unref();
  return () => clearInterval(interval);
}
