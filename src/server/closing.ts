/** The end of addresses and connections, as far as Node leaves it open. */
import type { Server, Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Turns of the event loop in which a stop takes waiting connections. More of them means that callers keep connecting. */
const MAX_TURNS = 1_000;
/** The system reports an established connection in the turn after the one that begins here. */
const QUIET_TURNS = 2;

/**
 * Takes the connections that the system has established and the server has not taken. The system resets them when the server
 * closes, and libuv takes one in a turn of the event loop.
 */
export async function takeWaiting(server: Server): Promise<void> {
  let quiet = 0;
  const onConnection = (): void => {
    quiet = 0;
  };
  server.on('connection', onConnection);
  for (let turn = 0; turn < MAX_TURNS && quiet < QUIET_TURNS; turn += 1) {
    quiet += 1;
    await nextTurn();
  }
  server.off('connection', onConnection);
}

/** The time, in milliseconds, that a peer has to end a connection after the server has ended its side. */
const HALF_CLOSED_MS = 1_000;

/**
 * Ends a connection whose peer leaves it open after the server has sent everything and ended its side. Node waits for the peer
 * without a bound, since a connection that is destroyed while bytes arrive is reset, and the reset can destroy the answer.
 */
export function endWhenHalfClosed(socket: Socket): void {
  socket.once('finish', () => {
    const timer = setTimeout(() => socket.destroy(), HALF_CLOSED_MS).unref();
    socket.once('close', () => clearTimeout(timer));
  });
}
