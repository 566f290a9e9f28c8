/**
 * The connections of one process, on all its addresses: their number, and what strangers may do. A stranger is a connection on
 * which no call has authenticated, where callers authenticate. `stranger-bounds.ts` and `connection-table.ts` decide; this
 * file knows sockets and time.
 */
import type { Socket } from 'node:net';
import type { Evidence } from '../callers/known-callers.ts';
import { Connection, setConnection } from './connection.ts';
import { addressKey, type ConnectionLimits, ConnectionTable, CROWDINGS, type Crowding } from './connection-table.ts';
import {
  STRANGER_FAULTS,
  STRANGER_LIMITS,
  StrangerBounds,
  type StrangerFault,
  type StrangerLimits,
} from './stranger-bounds.ts';

/** Why the server ended a connection. */
export type EndReason = StrangerFault | Crowding;

export const END_REASONS: readonly EndReason[] = [...STRANGER_FAULTS, ...CROWDINGS];

export interface ConnectionsOptions extends ConnectionLimits {
  /** Whether callers authenticate. Otherwise every connection is known from the start. */
  readonly callersAuthenticate: boolean;
  /** Reports a connection that the server ended by itself. The address is undefined on a unix socket. */
  readonly onEnded?: (reason: EndReason, address: string | undefined) => void;
  readonly strangerLimits?: StrangerLimits;
}

/** Connections of strangers, at most. An idle one takes 4 KB of heap, one with a watch of health 9 KB. */
export const MAX_STRANGERS = 2_000;

/** How often strangers are looked at. */
const CHECK_INTERVAL_MS = 100;
/**
 * The length of a turn of the event loop, in milliseconds, after which strangers are looked at at once. A turn reads up to 2 MB of
 * each connection, and Node shows no event of a header block that it refuses.
 */
const LONG_TURN_MS = 10;
/** Requests of strangers a second, of all together, beyond which each one costs its connection more. */
const PRESSURE = 500;

/** Counts connections and ends those of strangers that exceed their bounds. */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #table: ConnectionTable<Connection>;
  readonly #strangers = new Set<Connection>();
  /** Connections whose callers have authenticated. */
  readonly #authenticated = new Set<Connection>();
  /** Runs while there are strangers. */
  #checks: NodeJS.Timeout | null = null;
  /** Connections whose handshake of TLS is under way or done, by their endpoints. */
  readonly #byEndpoint = new Map<string, Connection>();
  #turnBegan = 0;
  /** Requests of strangers, less {@link PRESSURE} a second, at a moment in monotonic milliseconds. */
  #requests = 0;
  #requestsAt = 0;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    this.#table = new ConnectionTable(options);
  }

  /** Whether connections begin as strangers. */
  get callersAuthenticate(): boolean {
    return this.#options.callersAuthenticate;
  }

  get strangers(): number {
    return this.#table.strangers;
  }

  get known(): number {
    return this.#table.known;
  }

  /**
   * Takes in the socket of another connection.
   * @param joins Whether {@link join} has to find it.
   * @returns Null for a connection that may not stay. Its socket is destroyed.
   */
  accept(socket: Socket, joins = false): Connection | null {
    const { callersAuthenticate, strangerLimits = STRANGER_LIMITS } = this.#options;
    const bounds = callersAuthenticate ? new StrangerBounds(strangerLimits, performance.now()) : null;
    const { remoteAddress } = socket;
    const connection = new Connection(socket, bounds, {
      request: () => this.#countRequest(connection),
      known: () => this.#makeKnown(connection),
      ended: (reason) => this.#options.onEnded?.(reason, remoteAddress),
    });
    const { admitted, evicted, met } = this.#table.add(connection, addressKey(remoteAddress));
    if (met !== null) this.#options.onEnded?.(met, (evicted ?? connection).address);
    evicted?.end();
    if (!admitted) {
      socket.destroy();
      return null;
    }
    setConnection(socket, connection);
    if (bounds !== null) this.#watch(connection);
    // Two calls of the system.
    const endpoint = joins ? endpointOf(socket) : null;
    if (endpoint !== null) this.#byEndpoint.set(endpoint, connection);
    socket.once('close', () => {
      if (endpoint !== null) this.#byEndpoint.delete(endpoint);
      this.#strangers.delete(connection);
      this.#authenticated.delete(connection);
      this.#table.remove(connection);
    });
    return connection;
  }

  /**
   * Finds the connection of a TLS socket, whose handshake is done. Node does not say around which socket it is.
   * @returns False where it may not stay.
   */
  join(socket: Socket): boolean {
    // Sockets of unix have no endpoint by which they could be found.
    if (socket.remotePort === undefined) return this.accept(socket) !== null;
    const connection = this.#byEndpoint.get(endpointOf(socket));
    if (connection !== undefined) setConnection(socket, connection);
    return connection !== undefined;
  }

  /**
   * Makes strangers of the connections on which no caller is known any more by what its calls have shown. The next call that
   * authenticates makes a connection known again.
   */
  review(holds: (evidence: Evidence) => boolean): void {
    for (const connection of this.#authenticated) {
      if (!connection.review(holds)) this.#makeStranger(connection);
    }
  }

  /** Counts a request of a stranger, and says whether strangers as a whole ask too much. */
  #countRequest(connection: Connection): boolean {
    this.#table.touch(connection);
    const now = performance.now();
    const left = Math.max(0, this.#requests - ((now - this.#requestsAt) * PRESSURE) / 1_000);
    this.#requestsAt = now;
    // Bounded, so that the pressure is over two seconds after its cause.
    this.#requests = Math.min(2 * PRESSURE, left + 1);
    return this.#requests > PRESSURE;
  }

  #makeKnown(connection: Connection): void {
    this.#strangers.delete(connection);
    this.#table.makeKnown(connection);
    if (this.callersAuthenticate) this.#authenticated.add(connection);
  }

  #makeStranger(connection: Connection): void {
    const { strangerLimits = STRANGER_LIMITS } = this.#options;
    this.#authenticated.delete(connection);
    connection.forget(new StrangerBounds(strangerLimits, performance.now(), connection.bytesRead));
    if (this.#table.makeStranger(connection)) {
      this.#watch(connection);
      return;
    }
    this.#options.onEnded?.('strangers', connection.address);
    connection.end();
  }

  #watch(stranger: Connection): void {
    this.#strangers.add(stranger);
    if (this.#checks === null) this.#beginChecks();
  }

  #beginChecks(): void {
    this.#checks = setInterval(() => {
      const now = performance.now();
      for (const stranger of this.#strangers) stranger.check(now);
      if (this.#strangers.size > 0 || this.#checks === null) return;
      clearInterval(this.#checks);
      this.#checks = null;
    }, CHECK_INTERVAL_MS).unref();
    this.#endTurn();
  }

  /** Runs after each turn while there are strangers. Unlike others, an immediate without a reference lets the loop wait for events. */
  readonly #endTurn = (): void => {
    const now = performance.now();
    if (now - this.#turnBegan > LONG_TURN_MS) for (const stranger of this.#strangers) stranger.checkBytes(now);
    this.#turnBegan = now;
    if (this.#checks !== null) setImmediate(this.#endTurn).unref();
  };
}

function endpointOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`;
}
