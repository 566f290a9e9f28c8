/** The first bytes of a connection in the clear, which tell HTTP/2 from HTTP/1.1. */
import type { Socket } from 'node:net';

/** The beginning of HTTP/2's connection preface (RFC 9113, section 3.4). No method of HTTP/1.1 begins with it. */
export const PREFACE = 'PRI';

/**
 * Calls `then` with the first bytes of a connection, put back to be read again.
 * @param start Calls its argument now or later.
 */
export function onFirstBytes(
  socket: Socket,
  timeoutMs: number,
  start: (work: () => void) => void,
  then: (text: string) => void,
): void {
  const end = (): void => {
    socket.destroy();
  };
  let seen: Buffer = Buffer.alloc(0);
  const look = (): void => {
    const more: Buffer | null = socket.read();
    if (more === null) return;
    seen = Buffer.concat([seen, more]);
    const text = seen.toString('latin1', 0, PREFACE.length);
    // One byte may come alone. Bytes go back only once they are enough: bytes that are put back are readable at once.
    if (text.length < PREFACE.length && PREFACE.startsWith(text)) return;
    socket.off('readable', look);
    start(() => {
      socket.unshift(seen);
      socket.off('timeout', end).off('error', end).setTimeout(0);
      then(text);
    });
  };
  socket.on('readable', look).on('timeout', end).on('error', end).setTimeout(timeoutMs);
}
