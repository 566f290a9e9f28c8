/** Redis as a store that never fails a call: an unavailable, slow or failing Redis is a miss. */
import type { Clock } from '../clock.ts';
import { connectToRedis } from './redis-connection.ts';
import type { RedisLocation } from './redis-location.ts';
import type { RedisServer } from './redis-server.ts';
import type { ValueStore } from './redis-tier.ts';

/** No entry is longer. A longer value was written by another program and is read only up to here. */
const MAX_VALUE_BYTES = 1_048_576;
/** The default of {@link RedisClientOptions.connectTimeoutMs}. */
const CONNECT_TIMEOUT_MS = 2_000;

const NOTHING: Promise<null> = Promise.resolve(null);

export interface RedisClientOptions {
  /** A Redis URL, `redis://` or `rediss://`, or the servers of a larger deployment. */
  readonly url: RedisLocation;
  /** How long an answer may take, in milliseconds. After this time the read goes to PostgreSQL. */
  readonly timeoutMs: number;
  /**
   * How long no read goes to a server of Redis after an answer that took too long, in milliseconds: otherwise every miss would wait for the
   * timeout.
   */
  readonly pauseMs: number;
  /** How long it may take to connect, in milliseconds; 2,000 when absent. */
  readonly connectTimeoutMs?: number;
  readonly clock: Clock;
  /** Called with every command that failed and its error, for the log only. */
  readonly onError: (operation: 'connect' | 'get' | 'set' | 'delete', error: unknown) => void;
  /** Called each time the connection is made. */
  readonly onReady: () => void;
}

export interface RedisClient extends ValueStore {
  /** Whether reads and writes go to Redis at the moment. */
  available(): boolean;
  end(): void;
}

/** Connects in the background; never fails and never waits for the connection. */
export function createRedisClient(options: RedisClientOptions): RedisClient {
  const { url, timeoutMs, pauseMs, connectTimeoutMs = CONNECT_TIMEOUT_MS, clock, onError, onReady } = options;
  const connection = connectToRedis(url, {
    ...{ connectTimeoutMs, timeoutMs, clock, onReady },
    onError: (error) => onError('connect', error),
  });

  return {
    available: () => connection.servers().some(isOpen),
    get: (key) => {
      const server = openServerOf(key);
      if (server === null) return NOTHING;
      sendTogether(server);
      // Like GET, with a bound on the length of the answer; a key that does not exist reads as the empty string.
      const answer = connection.run(server, (redis) => redis.getrange(key, 0, MAX_VALUE_BYTES - 1));
      return inTime(answer, timeoutMs).then(valueOrNull, (error: unknown) => failed('get', server, error));
    },
    set: (key, value, lifeMs) => {
      const server = openServerOf(key);
      if (server === null) return;
      sendTogether(server);
      const answer = connection.run(server, (redis) => redis.set(key, value, 'PX', Math.ceil(lifeMs)));
      inTime(answer, timeoutMs).catch((error: unknown) => failed('set', server, error));
    },
    delete: (key) => {
      // Sent also during a pause: other services read the key, and no call waits for the answer.
      const server = connection.serverOf(key);
      if (server === null) return;
      sendTogether(server);
      const answer = connection.run(server, (redis) => redis.unlink(key));
      inTime(answer, timeoutMs).catch((error: unknown) => failed('delete', server, error));
    },
    end: () => connection.end(),
  };

  function openServerOf(key: string): RedisServer | null {
    const server = connection.serverOf(key);
    return server !== null && isOpen(server) ? server : null;
  }

  function isOpen({ pausedUntil }: RedisServer): boolean {
    return clock.monotonic() >= pausedUntil;
  }

  function failed(operation: 'get' | 'set' | 'delete', server: RedisServer, error: unknown): null {
    if (error instanceof RedisTimeout) server.pausedUntil = clock.monotonic() + pauseMs;
    onError(operation, error);
    return null;
  }
}

/** Sends all commands of this turn of the event loop to a server by one write: each write costs a system call. */
function sendTogether(server: RedisServer): void {
  if (server.gathering) return;
  server.gathering = true;
  const { stream } = server.redis;
  stream.cork();
  process.nextTick(() => {
    server.gathering = false;
    stream.uncork();
  });
}

class RedisTimeout extends Error {
  override readonly name = 'RedisTimeout';
  override readonly message = 'Redis did not answer in time';
}

/**
 * Waits for an answer for so long. The time of the event loop is not that of Redis: after a turn of the loop that took longer
 * than the timeout, the timer is run before the sockets are read. ioredis's own `commandTimeout` then fails commands that were
 * answered long ago. Here an answer is late only when a look at the sockets after the timeout did not find it.
 */
function inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const late = (): void => reject(new RedisTimeout());
  // guard: delay-of-the-event-loop
  const timer = setTimeout(() => setImmediate(late), timeoutMs);
  const settled = (): void => clearTimeout(timer);
  answer.then(resolve, reject).finally(settled);
  return promise;
}

function valueOrNull(range: string): string | null {
  return range === '' ? null : range;
}
