/** The settings of the place where the servers listen: the address of metrics, idle connections and the stop. */
import type { Address, Reader } from './reader.ts';

export interface ListeningConfig {
  /** The address that alone has `/metrics`; null when the HTTP server has it. */
  readonly metricsAddress: Address | null;
  /** The time, in milliseconds, that an idle connection of HTTP/1.1 is kept. */
  readonly keepAliveMs: number;
  /** The time, in milliseconds, that the servers still take calls after SIGTERM. */
  readonly lameDuckMs: number;
}

/** Reads `ASSENT_METRICS_ADDRESS`, `ASSENT_KEEPALIVE_SECONDS` and `ASSENT_LAME_DUCK_SECONDS`. */
export function readListening(read: Reader): ListeningConfig {
  return {
    metricsAddress: read.has('ASSENT_METRICS_ADDRESS') ? read.address('ASSENT_METRICS_ADDRESS', '') : null,
    // nginx and AWS keep a connection for 60 s. A server that closes earlier resets requests that are on their way.
    keepAliveMs: 1_000 * read.integer('ASSENT_KEEPALIVE_SECONDS', 75, 1, 3_600),
    lameDuckMs: 1_000 * read.integer('ASSENT_LAME_DUCK_SECONDS', 1, 0, 300),
  };
}
