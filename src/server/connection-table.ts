/**
 * Counts connections: in all, strangers, and those of each address. Decides which connection goes when one more than the bound
 * comes. Pure: a connection is any object.
 */

/** The bounds on the number of connections; 0 is no bound. */
export interface ConnectionLimits {
  readonly total: number;
  readonly perAddress: number;
  /** Connections on which no call has authenticated. */
  readonly strangers: number;
}

export const CROWDINGS = ['connections', 'connections_per_address', 'strangers'] as const;

/** Which bound another connection has met. */
export type Crowding = (typeof CROWDINGS)[number];

/** What becomes of another connection. */
export interface Admission<Connection> {
  /** The stranger that goes for it; null where there is room. */
  readonly evicted: Connection | null;
  /** False where every connection that could go is known: the new one is refused. */
  readonly admitted: boolean;
  /** The bound that was met; null where there is room. */
  readonly met: Crowding | null;
}

/** Connections of one address: strangers in the order of their last requests, and the number of the others. */
interface Group<Connection> {
  readonly strangers: Set<Connection>;
  known: number;
}

/** The address of connections that have none: those of a unix socket, which no bound per address concerns. */
export const NO_ADDRESS = '';

export class ConnectionTable<Connection extends object> {
  readonly #limits: ConnectionLimits;
  readonly #groups = new Map<string, Group<Connection>>();
  readonly #addresses = new Map<Connection, string>();
  #strangers = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get strangers(): number {
    return this.#strangers;
  }

  get known(): number {
    return this.#addresses.size - this.#strangers;
  }

  /**
   * Takes in a connection as a stranger. At a bound a stranger goes for it: of the address with the most strangers, so that one
   * address pushes out none of another, the one whose last request is the oldest. The caller has to end it. It is removed already.
   */
  add(connection: Connection, address: string): Admission<Connection> {
    const met = this.#met(address);
    if (met === null) {
      this.#insert(connection, address);
      return ROOM;
    }
    const group = met === 'connections_per_address' ? this.#groups.get(address) : this.#largest();
    const [evicted = null] = group?.strangers ?? [];
    if (evicted === null) return { evicted, admitted: false, met };
    this.remove(evicted);
    this.#insert(connection, address);
    return { evicted, admitted: true, met };
  }

  /** Notes a request of a stranger. */
  touch(connection: Connection): void {
    const strangers = this.#groupOf(connection)?.strangers;
    if (strangers?.delete(connection) === true) strangers.add(connection);
  }

  /** Notes that a call on the connection has authenticated. Does nothing for a connection that is not in the table. */
  makeKnown(connection: Connection): void {
    const group = this.#groupOf(connection);
    if (group === undefined || !group.strangers.delete(connection)) return;
    group.known += 1;
    this.#strangers -= 1;
  }

  /**
   * Notes that the caller of a connection is no longer known.
   * @returns False where there are as many strangers as there may be: the caller has to end the connection. It is removed already.
   */
  makeStranger(connection: Connection): boolean {
    const group = this.#groupOf(connection);
    if (group === undefined || group.strangers.has(connection)) return true;
    const { strangers } = this.#limits;
    if (strangers > 0 && this.#strangers >= strangers) {
      this.remove(connection);
      return false;
    }
    group.known -= 1;
    group.strangers.add(connection);
    this.#strangers += 1;
    return true;
  }

  /** Removes a connection that has ended. Does nothing for a connection that is not in the table. */
  remove(connection: Connection): void {
    const address = this.#addresses.get(connection);
    const group = this.#groupOf(connection);
    if (address === undefined || group === undefined) return;
    this.#addresses.delete(connection);
    if (group.strangers.delete(connection)) this.#strangers -= 1;
    else group.known -= 1;
    if (group.known === 0 && group.strangers.size === 0) this.#groups.delete(address);
  }

  #met(address: string): Crowding | null {
    const { total, perAddress, strangers } = this.#limits;
    const group = this.#groups.get(address);
    const ofAddress = group === undefined ? 0 : group.known + group.strangers.size;
    if (address !== NO_ADDRESS && perAddress > 0 && ofAddress >= perAddress) return 'connections_per_address';
    if (total > 0 && this.#addresses.size >= total) return 'connections';
    // guard: number-of-strangers
    return strangers > 0 && this.#strangers >= strangers ? 'strangers' : null;
  }

  #insert(connection: Connection, address: string): void {
    this.#addresses.set(connection, address);
    this.#strangers += 1;
    const group = this.#groups.get(address);
    if (group === undefined) this.#groups.set(address, { strangers: new Set([connection]), known: 0 });
    else group.strangers.add(connection);
  }

  #groupOf(connection: Connection): Group<Connection> | undefined {
    return this.#groups.get(this.#addresses.get(connection) ?? NO_ADDRESS);
  }

  #largest(): Group<Connection> | undefined {
    let largest: Group<Connection> | undefined;
    for (const group of this.#groups.values()) {
      if (group.strangers.size > (largest?.strangers.size ?? 0)) largest = group;
    }
    return largest;
  }
}

const ROOM = { evicted: null, admitted: true, met: null } as const;

/**
 * The key by which connections of one address are counted. Of an IPv6 address the first 64 bits: a network gives one machine
 * all of the others. An IPv4 address that IPv6 carries is itself.
 * @param address As Node writes it; undefined for a unix socket.
 */
export function addressKey(address: string | undefined): string {
  if (address === undefined || address === '') return NO_ADDRESS;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(':')) return address;
  const [head = '', tail] = (address.split('%', 1)[0] ?? '').split('::', 2);
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return [...first, ...Array.from({ length: zeros }, () => '0'), ...last].slice(0, 4).join(':');
}
