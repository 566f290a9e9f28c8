/** Redis through ioredis, as a store that never fails a call: away, slow or in error, it is a miss. */
import { Redis } from 'ioredis';
import type { Clock } from '../clock.ts';
import type { ValueStore } from './redis-facts.ts';

/** Redis answers in well under a millisecond; past this, PostgreSQL is asked instead. */
const COMMAND_TIMEOUT_MS = 50;
/** No entry is longer; of a value that somebody else wrote no more is read, however long it is. */
const MAX_VALUE_BYTES = 1_048_576;
/** After a command that timed out, Redis is left alone for this long, so that not every miss waits for the timeout. */
const PAUSE_MS = 500;
const RECONNECT_MAX_MS = 1_000;
/** A connection on which nothing comes back for this long after a command is dropped and made anew. */
const SILENCE_MS = 1_000;
/** How often to look for the server that took the place of one that only reads by now. */
const MOVED_MS = 1_000;

const NOTHING: Promise<null> = Promise.resolve(null);
const valueOrNull = (range: string): string | null => (range === '' ? null : range);

export interface RedisStoreOptions {
  /** A Redis URL, `redis://` or `rediss://`. */
  readonly url: string;
  readonly clock: Clock;
  /** Called with every command that failed and why; the text is for the log only. */
  readonly onError: (operation: 'connect' | 'get' | 'set' | 'delete', error: unknown) => void;
  /** Called when the connection is made or made again. */
  readonly onReady: () => void;
}

export interface RedisStore extends ValueStore {
  /** Whether commands are being sent at the moment. */
  available(): boolean;
  end(): void;
}

/** Connects in the background; never fails and never waits for the connection. */
export const createRedisStore = ({ url, clock, onError, onReady }: RedisStoreOptions): RedisStore => {
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let movedAt = Number.NEGATIVE_INFINITY;
  const redis = new Redis(url, {
    commandTimeout: COMMAND_TIMEOUT_MS,
    // A command either goes out now or fails now: queued ones would be answered, or stored, much later.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    // A connection whose other end vanished without a word would time out at every command and never be made again.
    socketTimeout: SILENCE_MS,
    retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 5), RECONNECT_MAX_MS),
    // After a failover the name leads to the new primary, while the old one keeps its connections and stores nothing more.
    reconnectOnError: (error) => {
      const now = clock.monotonic();
      if (!error.message.startsWith('READONLY') || now - movedAt < MOVED_MS) return false;
      movedAt = now;
      return true;
    },
    // The process must not linger for a connection that is closing.
    disableClientInfo: true,
  });
  redis.on('error', (error) => onError('connect', error));
  redis.on('ready', onReady);

  const available = (): boolean => redis.status === 'ready' && clock.monotonic() >= pausedUntil;
  const failed = (operation: 'get' | 'set' | 'delete') => (error: unknown) => {
    if (error instanceof Error && error.message === 'Command timed out') pausedUntil = clock.monotonic() + PAUSE_MS;
    onError(operation, error);
    return null;
  };

  const getFailed = failed('get');
  const setFailed = failed('set');
  const deleteFailed = failed('delete');

  let gathering = false;
  /** Lets what is sent until the end of this turn of the event loop go out by one write: each costs a call of the system. */
  const gather = (): void => {
    if (gathering) return;
    gathering = true;
    const { stream } = redis;
    stream.cork();
    process.nextTick(() => {
      gathering = false;
      stream.uncork();
    });
  };

  return {
    available,
    get: (key) => {
      if (!available()) return NOTHING;
      gather();
      // As GET, with a bound on what comes; a key that is not there reads as the empty string.
      return redis.getrange(key, 0, MAX_VALUE_BYTES - 1).then(valueOrNull, getFailed);
    },
    set: (key, value, lifeMs) => {
      if (!available()) return;
      gather();
      redis.set(key, value, 'PX', Math.ceil(lifeMs)).catch(setFailed);
    },
    delete: (key) => {
      // Sent even while paused: other services read the key, and nobody waits for the answer.
      if (redis.status !== 'ready') return;
      gather();
      redis.unlink(key).catch(deleteFailed);
    },
    end: () => redis.disconnect(),
  };
};
