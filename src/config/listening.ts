/** The settings of the place where the servers listen: the address of metrics, unix sockets, idle connections and the stop. */
import type { Address, Reader } from './reader.ts';

export interface ListeningConfig {
  /** The address that alone has `/metrics`; null when the HTTP server has it. */
  readonly metricsAddress: Address | null;
  /** The permission bits of unix sockets. */
  readonly socketMode: number;
  /** The time, in milliseconds, that an idle connection of HTTP/1.1 is kept. */
  readonly keepAliveMs: number;
  /** The time, in milliseconds, that the servers still take calls after SIGTERM. */
  readonly lameDuckMs: number;
}

/** Reads `ASSENT_METRICS_ADDRESS`, `ASSENT_SOCKET_MODE`, `ASSENT_KEEPALIVE_SECONDS` and `ASSENT_LAME_DUCK_SECONDS`. */
export function readListening(read: Reader): ListeningConfig {
  return {
    metricsAddress: read.has('ASSENT_METRICS_ADDRESS') ? read.address('ASSENT_METRICS_ADDRESS', '') : null,
    socketMode: readMode(read, 'ASSENT_SOCKET_MODE', '0660'),
    // nginx and AWS keep a connection for 60 s. A server that closes earlier resets requests that are on their way.
    keepAliveMs: 1_000 * read.integer('ASSENT_KEEPALIVE_SECONDS', 75, 1, 3_600),
    lameDuckMs: 1_000 * read.integer('ASSENT_LAME_DUCK_SECONDS', 1, 0, 300),
  };
}

/** A mode as `chmod` takes it. The owner must be able to connect: a start looks whether a socket is a stale one. */
function readMode(read: Reader, name: string, fallback: string): number {
  const text = read.text(name) ?? fallback;
  if (/^0?[67][0-7]{2}$/.test(text)) return Number.parseInt(text, 8);
  read.problem(`${name} must be an octal mode from 0600 to 0777, such as 0660.`);
  return Number.parseInt(fallback, 8);
}
