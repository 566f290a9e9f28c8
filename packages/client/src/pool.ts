/** The connections to every address of the service, and which of them gets the next call. */
import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { type Place, parseAddresses } from './address.ts';
import { Connection } from './connection.ts';
import { AssentError } from './errors.ts';
import type { AssentOptions, TlsOptions } from './options.ts';

/** Gets the first usable connection, or the error that there is none. */
export interface Waiter {
  connected(connection: Connection): void;
  failed(error: AssentError): void;
}

const CHANNEL_OPTIONS: ChannelOptions = {
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 2_000,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_channelz': 0,
  'grpc.service_config_disable_resolution': 1,
  // The answer to 500 checks with principals, and no bound of ours below the service's.
  'grpc.max_receive_message_length': -1,
};
const MIN_LOOKUP_MS = 1_000;
const LOOKUP_MS = 30_000;
/** How long calls wait for a connection when all are gone: as long as a restart takes. Later ones fail at once. */
const PATIENCE_MS = 1_000;

export class Pool {
  readonly #places: readonly Place[];
  readonly #options: AssentOptions;
  #connections: Connection[] = [];
  readonly #waiters = new Set<Waiter>();
  #turn = 0;
  #started = false;
  #closed = false;
  #absentSince: number | null = null;
  #why = 'no connection yet';
  #lookedUpAt = Number.NEGATIVE_INFINITY;
  #lookupTimer: NodeJS.Timeout | null = null;

  /** @throws {AssentError} `MISCONFIGURED` for a malformed address or TLS option. */
  constructor(options: AssentOptions) {
    this.#options = options;
    this.#places = parseAddresses(options.address);
    channelCredentials(options.tls);
  }

  /** The next usable connection but `except`; null when there is none. */
  pick(except: Connection | null): Connection | null {
    const connections = this.#connections;
    const { length } = connections;
    for (let step = 0; step < length; step += 1) {
      this.#turn = (this.#turn + 1) % length;
      const connection = connections[this.#turn];
      if (connection?.usable === true && connection !== except) {
        this.#absentSince = null;
        return connection;
      }
    }
    return null;
  }

  /** Waits for a usable connection. */
  wait(waiter: Waiter): void {
    if (this.#closed) {
      waiter.failed(closedError());
      return;
    }
    this.#start();
    const now = performance.now();
    this.#absentSince ??= now;
    if (now - this.#absentSince > PATIENCE_MS) {
      waiter.failed(new AssentError('UNAVAILABLE', 'NO_CONNECTION', `no replica can be called: ${this.#why}`));
      return;
    }
    this.#waiters.add(waiter);
  }

  leave(waiter: Waiter): void {
    this.#waiters.delete(waiter);
  }

  /** Why there was no connection, for messages. */
  get why(): string {
    return this.#why;
  }

  /** A connection left an attempt unanswered. Where no other takes calls, one more to its address is made. */
  suspect(connection: Connection): void {
    connection.suspect();
    if (this.#closed || this.#connections.some((one) => one.usable)) return;
    if (this.#connections.filter(({ target }) => target === connection.target).length > 1) return;
    this.#add(connection.target, hostOf(this.#places, connection.target));
  }

  close(): void {
    this.#closed = true;
    if (this.#lookupTimer !== null) clearInterval(this.#lookupTimer);
    for (const connection of this.#connections) connection.close();
    this.#connections = [];
    for (const waiter of this.#waiters) waiter.failed(closedError());
    this.#waiters.clear();
  }

  #start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#resolve();
    if (this.#places.some(({ kind }) => kind === 'name')) {
      this.#lookupTimer = setInterval(() => void this.#resolve(), LOOKUP_MS).unref();
    }
  }

  async #resolve(): Promise<void> {
    this.#lookedUpAt = performance.now();
    const found = await Promise.all(this.#places.map((place) => this.#targets(place)));
    if (this.#closed) return;
    // A name that does not resolve now keeps the connections that it has.
    const known = found.every((targets) => targets !== null);
    const wanted = new Map(found.flatMap((targets) => targets ?? []));
    for (const [target, host] of wanted) {
      if (!this.#connections.some((one) => one.target === target)) this.#add(target, host);
    }
    if (!known) {
      setTimeout(() => this.#lookAgain(), MIN_LOOKUP_MS).unref();
      return;
    }
    for (const connection of this.#connections.filter(({ target }) => !wanted.has(target))) {
      this.#connections = this.#connections.filter((one) => one !== connection);
      connection.close();
    }
  }

  async #targets(place: Place): Promise<readonly (readonly [target: string, host: string | null])[] | null> {
    if (place.kind === 'unix') return [[`unix:${place.path}`, null]];
    if (place.kind === 'ip') return [[targetOf(place.host, place.port), null]];
    try {
      const addresses = await (this.#options.lookup ?? lookupAll)(place.host);
      if (addresses.length > 0) return addresses.map((one) => [targetOf(one, place.port), place.host] as const);
      this.#why = `${place.host} has no address`;
    } catch (error) {
      this.#why = `${place.host} cannot be resolved: ${error instanceof Error ? error.message : String(error)}`;
    }
    return null;
  }

  #add(target: string, host: string | null): void {
    const { tls } = this.#options;
    const name = host ?? (target.startsWith('unix:') ? 'localhost' : null);
    const options: ChannelOptions = {
      ...CHANNEL_OPTIONS,
      ...(name === null ? {} : { 'grpc.default_authority': name }),
      ...(tls ? serverName(tls, name) : {}),
    };
    const connection = new Connection(target, () => channelCredentials(tls), options, {
      usable: () => this.#usable(),
      lost: (why) => {
        this.#why = why;
        this.#lookAgain();
      },
    });
    this.#connections.push(connection);
  }

  #usable(): void {
    for (const waiter of [...this.#waiters]) {
      const connection = this.pick(null);
      if (connection === null) return;
      this.#waiters.delete(waiter);
      waiter.connected(connection);
    }
    this.#absentSince = null;
  }

  #lookAgain(): void {
    if (this.#closed || !this.#places.some(({ kind }) => kind === 'name')) return;
    if (performance.now() - this.#lookedUpAt >= MIN_LOOKUP_MS) void this.#resolve();
  }
}

export function closedError(): AssentError {
  return new AssentError('UNAVAILABLE', 'CLIENT_CLOSED', 'the client is closed');
}

async function lookupAll(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function targetOf(address: string, port: number): string {
  return isIPv6(address) ? `ipv6:[${address}]:${port}` : `ipv4:${address}:${port}`;
}

function hostOf(places: readonly Place[], target: string): string | null {
  const named = places.find((place) => place.kind === 'name' && target.endsWith(`:${place.port}`));
  return named?.kind === 'name' ? named.host : null;
}

function serverName(tls: Exclude<AssentOptions['tls'], undefined>, host: string | null): ChannelOptions {
  const name = (typeof tls === 'function' ? tls() : tls === true || tls === false ? {} : tls).serverName ?? host;
  return name === null ? {} : { 'grpc.ssl_target_name_override': name, 'grpc.default_authority': name };
}

function channelCredentials(tls: AssentOptions['tls']): ChannelCredentials {
  if (tls === undefined || tls === false) return credentials.createInsecure();
  const { ca, cert, key }: TlsOptions = typeof tls === 'function' ? tls() : tls === true ? {} : tls;
  try {
    return credentials.createSsl(bytes(ca), bytes(key), bytes(cert));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new AssentError('MISCONFIGURED', 'TLS_MALFORMED', `tls: ${why}`, { cause: error });
  }
}

function bytes(pem: string | Buffer | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}
