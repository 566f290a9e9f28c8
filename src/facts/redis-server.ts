/** A connection to one server of Redis by ioredis: the server of a URL, or the primary that Sentinel names. */
import { Redis, type RedisOptions } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { RedisCredentials, SentinelLocation } from './redis-location.ts';

export interface RedisConnectionOptions {
  /** How long it may take to connect, and a sentinel to answer, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Called when a server, a sentinel or the connection fails, for the log only. */
  readonly onError: (error: unknown) => void;
  /** Called each time a connection is made; with a cluster, each time its servers are known. */
  readonly onReady: () => void;
}

/** One server of Redis, and the connection to it. */
export interface RedisServer {
  readonly redis: Redis;
  /** No read goes to this server before this moment of the monotonic clock. */
  pausedUntil: number;
  /** Whether the commands of this turn of the event loop are held for one write. */
  gathering: boolean;
}

export interface RedisConnection {
  /** The connected server of a key; null when there is none at the moment. */
  serverOf(key: string): RedisServer | null;
  /** All servers that are connected. */
  servers(): readonly RedisServer[];
  /** Runs a command at a server, and once more where that server says that another one has the key. */
  run<T>(server: RedisServer, command: (redis: Redis) => Promise<T>): Promise<T>;
  end(): void;
}

/** Connects to one server. Never fails and never waits for the connection. */
export function connectToServer(location: string | SentinelLocation, options: RedisConnectionOptions): RedisConnection {
  const { clock, onError, onReady } = options;
  let failoverAt = Number.NEGATIVE_INFINITY;
  const redisOptions: PlainOptions = {
    ...commonOptions(options),
    retryStrategy: retryDelay,
    // After a failover the name leads to the new primary, but the old one keeps its connections and stores nothing any more.
    reconnectOnError: (error) => {
      const now = clock.monotonic();
      if (!error.message.startsWith('READONLY') || now - failoverAt < FAILOVER_RETRY_MS) return false;
      failoverAt = now;
      return true;
    },
  };
  const redis =
    typeof location === 'string'
      ? new Redis(location, redisOptions)
      : new Redis({ ...redisOptions, ...sentinelOptions(location, options.connectTimeoutMs) });
  const server = createServer(redis);
  const [one, none] = [[server], []] as const;
  redis.on('error', onError);
  redis.on('sentinelError', onError);
  redis.on('ready', onReady);
  return {
    serverOf: () => (redis.status === 'ready' ? server : null),
    servers: () => (redis.status === 'ready' ? one : none),
    run: (_, command) => command(redis),
    end: () => redis.disconnect(),
  };
}

const RECONNECT_MAX_MS = 1_000;
/** A connection without any answer for this long after a command is dropped and made again: at least, and twice the timeout. */
const SILENCE_MS = 1_000;
/** How often to look for the new primary after a server has become read-only. */
const FAILOVER_RETRY_MS = 1_000;

/** ioredis derives the types of answers from the option that is left out. */
type PlainOptions = Omit<RedisOptions, 'replyMapping' | 'himportFieldsets'>;

/** The options of every connection that carries commands. */
export function commonOptions({ connectTimeoutMs, timeoutMs }: RedisConnectionOptions): PlainOptions {
  return {
    // A command goes out now or fails now: a queued one would be answered, or would store, much later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: connectTimeoutMs,
    // Without this a connection whose peer vanished silently would time out at every command and never be made again.
    socketTimeout: Math.max(SILENCE_MS, 2 * timeoutMs),
    // The process must not linger for a connection that is closing.
    disableClientInfo: true,
  };
}

/** The delay before the next attempt to connect, in milliseconds. @param times How many attempts failed in a row. */
export function retryDelay(times: number): number {
  return Math.min(50 * 2 ** Math.min(times, 5), RECONNECT_MAX_MS);
}

/** Credentials as options of ioredis. */
export function credentialOptions({ username, password }: RedisCredentials): PlainOptions {
  return { ...(username === null ? {} : { username }), ...(password === null ? {} : { password }) };
}

export function createServer(redis: Redis): RedisServer {
  return { redis, pausedUntil: Number.NEGATIVE_INFINITY, gathering: false };
}

function sentinelOptions(location: SentinelLocation, connectTimeoutMs: number): PlainOptions {
  const { hosts, name, database, credentials, sentinelCredentials, tls } = location;
  const { username, password } = sentinelCredentials;
  return {
    ...{ sentinels: [...hosts], name, role: 'master', db: database },
    ...credentialOptions(credentials),
    ...(username === null ? {} : { sentinelUsername: username }),
    ...(password === null ? {} : { sentinelPassword: password }),
    ...(tls ? { tls: {}, enableTLSForSentinelMode: true, sentinelTLS: {} } : {}),
    // Without it a sentinel that takes a connection and sends nothing would be waited for without end.
    sentinelCommandTimeout: connectTimeoutMs,
    sentinelRetryStrategy: retryDelay,
    // The address by which sentinels know each other may lead nowhere from here.
    updateSentinels: false,
  };
}
