/** Metrics of the connections to the servers. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** The source of the numbers that are read at each scrape. */
export interface ConnectionCounts {
  /** Connections on which a call has authenticated. */
  readonly known: number;
  /** The other connections. */
  readonly strangers: number;
}

/**
 * Registers the metrics.
 * @param reasons Why the server may end a connection: each counter begins at 0.
 * @returns Counts a connection that the server ended.
 */
export function createConnectionMetrics(
  registry: Registry,
  counts: ConnectionCounts,
  reasons: readonly string[],
): (reason: string) => void {
  const registers = [registry];
  new Gauge({
    name: 'assent_connections',
    help: 'Connections, by whether a call on them has authenticated.',
    labelNames: ['caller'],
    registers,
    collect() {
      this.set({ caller: 'known' }, counts.known);
      this.set({ caller: 'stranger' }, counts.strangers);
    },
  });
  const ended = new Counter({
    name: 'assent_connections_ended_total',
    help: 'Connections that the server ended, by reason.',
    labelNames: ['reason'],
    registers,
  });
  for (const reason of reasons) ended.inc({ reason }, 0);
  return (reason) => ended.inc({ reason });
}
