/** Redis through ioredis, as a store that never fails a call: an unavailable, slow or failing Redis is a miss. */
import { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { ValueStore } from './redis-tier.ts';

/** No entry is longer. A longer value was written by another program and is read only up to here. */
const MAX_VALUE_BYTES = 1_048_576;
const RECONNECT_MAX_MS = 1_000;
/** A connection without any answer for this long after a command is dropped and made again. */
const SILENCE_MS = 1_000;
/** How often to look for the new primary after a server has become read-only. */
const FAILOVER_RETRY_MS = 1_000;

const NOTHING: Promise<null> = Promise.resolve(null);

export interface RedisClientOptions {
  /** A Redis URL, `redis://` or `rediss://`. */
  readonly url: string;
  /** How long an answer may take, in milliseconds. After this time the read goes to PostgreSQL. */
  readonly timeoutMs: number;
  /**
   * How long no read goes to Redis after an answer that took too long, in milliseconds: otherwise every miss would wait for the
   * timeout.
   */
  readonly pauseMs: number;
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
  const { url, timeoutMs, pauseMs, clock, onError, onReady } = options;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let failoverAt = Number.NEGATIVE_INFINITY;
  let gathering = false;
  const redis = new Redis(url, {
    // A command goes out now or fails now: a queued one would be answered, or would store, much later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    // Without this a connection whose peer vanished silently would time out at every command and never be made again.
    socketTimeout: SILENCE_MS,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), RECONNECT_MAX_MS),
    // After a failover the name leads to the new primary, but the old one keeps its connections and stores nothing any more.
    reconnectOnError: (error) => {
      const now = clock.monotonic();
      if (!error.message.startsWith('READONLY') || now - failoverAt < FAILOVER_RETRY_MS) return false;
      failoverAt = now;
      return true;
    },
    // The process must not linger for a connection that is closing.
    disableClientInfo: true,
  });
  redis.on('error', (error) => onError('connect', error));
  redis.on('ready', onReady);
  const getFailed = failed('get');
  const setFailed = failed('set');
  const deleteFailed = failed('delete');

  return {
    available,
    get: (key) => {
      if (!available()) return NOTHING;
      sendTogether();
      // Like GET, with a bound on the length of the answer; a key that does not exist reads as the empty string.
      return inTime(redis.getrange(key, 0, MAX_VALUE_BYTES - 1), timeoutMs).then(valueOrNull, getFailed);
    },
    set: (key, value, lifeMs) => {
      if (!available()) return;
      sendTogether();
      inTime(redis.set(key, value, 'PX', Math.ceil(lifeMs)), timeoutMs).catch(setFailed);
    },
    delete: (key) => {
      // Sent also during a pause: other services read the key, and no call waits for the answer.
      if (redis.status !== 'ready') return;
      sendTogether();
      inTime(redis.unlink(key), timeoutMs).catch(deleteFailed);
    },
    end: () => redis.disconnect(),
  };

  function available(): boolean {
    return redis.status === 'ready' && clock.monotonic() >= pausedUntil;
  }

  function failed(operation: 'get' | 'set' | 'delete'): (error: unknown) => null {
    return (error) => {
      if (error instanceof RedisTimeout) pausedUntil = clock.monotonic() + pauseMs;
      onError(operation, error);
      return null;
    };
  }

  /** Sends all commands of this turn of the event loop by one write: each write costs a system call. */
  function sendTogether(): void {
    if (gathering) return;
    gathering = true;
    const { stream } = redis;
    stream.cork();
    process.nextTick(() => {
      gathering = false;
      stream.uncork();
    });
  }
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
