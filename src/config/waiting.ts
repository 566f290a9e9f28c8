/** How long the service waits for PostgreSQL and Redis: what depends on the place where it runs. */
import type { RedisLocation } from '../facts/redis-location.ts';
import type { Reader } from './reader.ts';
import { parseRedisUrl } from './redis-url.ts';

export interface PoolConfig {
  /** The maximum number of connections to PostgreSQL, of each process. */
  readonly connections: number;
  /** How long one statement may take, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** How long a call may go without a connection while more reads come than PostgreSQL answers, in milliseconds. */
  readonly overloadWaitMs: number;
}

export interface RedisConfig {
  readonly url: RedisLocation;
  /** How long Redis may take to answer before the read goes to PostgreSQL, in milliseconds. */
  readonly timeoutMs: number;
  /** How long no read goes to Redis after an answer that took too long, in milliseconds. */
  readonly pauseMs: number;
  /** How long it may take to connect to Redis, and a sentinel to answer, in milliseconds. */
  readonly connectTimeoutMs: number;
}

const MINUTE_MS = 60_000;

export function readPool(read: Reader): PoolConfig {
  return {
    connections: read.integer('ASSENT_DB_CONNECTIONS', 10, 1, 1_000),
    statementTimeoutMs: read.integer('ASSENT_DB_STATEMENT_TIMEOUT_MS', 2_000, 10, MINUTE_MS),
    overloadWaitMs: read.integer('ASSENT_DB_OVERLOAD_WAIT_MS', 200, 10, MINUTE_MS),
  };
}

/** @returns Null without `REDIS_URL`. */
export function readRedis(read: Reader): RedisConfig | null {
  const text = read.text('REDIS_URL');
  const url = text === null ? null : read.parsed('REDIS_URL', parseRedisUrl(text));
  const timeoutMs = read.integer('ASSENT_REDIS_TIMEOUT_MS', 50, 1, MINUTE_MS);
  const pauseMs = read.integer('ASSENT_REDIS_PAUSE_MS', 500, 0, MINUTE_MS);
  const connectTimeoutMs = read.integer('ASSENT_REDIS_CONNECT_TIMEOUT_MS', 2_000, 10, MINUTE_MS);
  return url === null ? null : { url, timeoutMs, pauseMs, connectTimeoutMs };
}
