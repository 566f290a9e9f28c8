/** The settings of connections to the servers. */
import type { Reader } from './reader.ts';

/** The bounds on connections of one process. */
export interface ConnectionsConfig {
  /** On all addresses together; 0 is no bound. */
  readonly max: number;
  /** From one IP address; 0 is no bound. */
  readonly maxPerAddress: number;
}

const MOST = 1_000_000;

/** Reads `ASSENT_MAX_CONNECTIONS` and `ASSENT_MAX_CONNECTIONS_PER_ADDRESS`. */
export function readConnections(read: Reader): ConnectionsConfig {
  const max = read.integer('ASSENT_MAX_CONNECTIONS', 10_000, 0, MOST);
  // Behind a proxy or a sidecar all connections come from one address.
  const maxPerAddress = read.integer('ASSENT_MAX_CONNECTIONS_PER_ADDRESS', 0, 0, MOST);
  return { max, maxPerAddress };
}
