/** How long the service waits for Redis: what depends on the place where it runs. */
import type { Reader } from './reader.ts';

export interface RedisConfig {
  readonly url: string;
  /** How long Redis may take to answer before the read goes to PostgreSQL, in milliseconds. */
  readonly timeoutMs: number;
  /** How long no read goes to Redis after an answer that took too long, in milliseconds. */
  readonly pauseMs: number;
}

const MINUTE_MS = 60_000;

/** @returns Null without `REDIS_URL`. */
export function readRedis(read: Reader): RedisConfig | null {
  const url = read.url('REDIS_URL', ['redis:', 'rediss:']);
  const timeoutMs = read.integer('ASSENT_REDIS_TIMEOUT_MS', 50, 1, MINUTE_MS);
  const pauseMs = read.integer('ASSENT_REDIS_PAUSE_MS', 500, 0, MINUTE_MS);
  return url === null ? null : { url, timeoutMs, pauseMs };
}
