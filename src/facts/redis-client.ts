/** Redis through ioredis, as a store that never fails a call: an unavailable, slow or failing Redis is a miss. */
import { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { ValueStore } from './redis-tier.ts';

/** Redis answers in well under a millisecond. After this time the read goes to PostgreSQL. */
const COMMAND_TIMEOUT_MS = 50;
/** No entry is longer. A longer value was written by another program and is read only up to here. */
const MAX_VALUE_BYTES = 1_048_576;
/** After a command that timed out, no read goes to Redis for this long: otherwise every miss would wait for the timeout. */
const PAUSE_MS = 500;
const RECONNECT_MAX_MS = 1_000;
/** A connection without any answer for this long after a command is dropped and made again. */
const SILENCE_MS = 1_000;
/** How often to look for the new primary after a server has become read-only. */
const FAILOVER_RETRY_MS = 1_000;

const NOTHING: Promise<null> = Promise.resolve(null);

export interface RedisClientOptions {
  /** A Redis URL, `redis://` or `rediss://`. */
  readonly url: string;
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
export function createRedisClient({ url, clock, onError, onReady }: RedisClientOptions): RedisClient {
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let failoverAt = Number.NEGATIVE_INFINITY;
  let gathering = false;
  const redis = new Redis(url, {
    commandTimeout: COMMAND_TIMEOUT_MS,
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
      return redis.getrange(key, 0, MAX_VALUE_BYTES - 1).then(valueOrNull, getFailed);
    },
    set: (key, value, lifeMs) => {
      if (!available()) return;
      sendTogether();
      redis.set(key, value, 'PX', Math.ceil(lifeMs)).catch(setFailed);
    },
    delete: (key) => {
      // Sent also during a pause: other services read the key, and no call waits for the answer.
      if (redis.status !== 'ready') return;
      sendTogether();
      redis.unlink(key).catch(deleteFailed);
    },
    end: () => redis.disconnect(),
  };

  function available(): boolean {
    return redis.status === 'ready' && clock.monotonic() >= pausedUntil;
  }

  function failed(operation: 'get' | 'set' | 'delete'): (error: unknown) => null {
    return (error) => {
      if (error instanceof Error && error.message === 'Command timed out') pausedUntil = clock.monotonic() + PAUSE_MS;
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

function valueOrNull(range: string): string | null {
  return range === '' ? null : range;
}
