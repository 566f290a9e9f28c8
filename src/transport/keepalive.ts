/** Finds peers that vanished without a word, so that their connections do not pile up. */
import type { ServerHttp2Session } from 'node:http2';
import type { Keepalive } from './door.ts';
import { destroySession } from './secure-sockets.ts';

/**
 * Pings every session at each interval and destroys those that do not answer in time.
 * @returns Ends it.
 */
export const keepAlive = (
  sessions: ReadonlySet<ServerHttp2Session>,
  { intervalMs, timeoutMs }: Keepalive,
): (() => void) => {
  const ping = (session: ServerHttp2Session): void => {
    const timer = setTimeout(() => destroySession(session), timeoutMs).unref();
    // By Node itself, and not closed: it waits for a write, which is given the time of an answer.
    if (session.destroyed) return;
    // False when one that was not answered is still under way.
    session.ping(() => clearTimeout(timer));
  };
  const interval = setInterval(() => {
    for (const session of sessions) ping(session);
  }, intervalMs).unref();
  return () => clearInterval(interval);
};
