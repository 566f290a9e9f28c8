import { redisAnswers } from './environment-server.ts';
import { startServer } from './network-server.ts';
import type { Server, ServerKind, ServerOptions } from './server.ts';

/** The numbered databases of a Redis that we start: tests share one server and take a number each. */
const redisDatabases = 512;

const redis: ServerKind = {
  service: 'redis',
  package: 'redis-server',
  containerPort: 6379,
  variable: 'REDIS_URL',
  answers: redisAnswers,
  args: ({ host, port, folder }) => [
    ...['--bind', host, '--port', String(port), '--dir', folder, '--databases', String(redisDatabases)],
    // Nothing is kept unless the caller asks for it: `--save`, `60 1` after these overrides it.
    ...['--save', '', '--appendonly', 'no', '--protected-mode', 'no', '--daemonize', 'no'],
  ],
  url: (port) => `redis://127.0.0.1:${port}`,
  ready: /Ready to accept connections/,
};

/**
 * Starts a Redis, or takes the one of `REDIS_URL` if it answers and the options do not ask for a private one.
 * @throws ServiceUnavailable
 */
export function startRedis(options: ServerOptions = {}): Promise<Server> {
  return startServer(redis, options);
}

const sentinel: ServerKind = {
  ...redis,
  args: ({ host, port, config = '' }) => [
    // The path of its configuration, which Sentinel keeps its state in, comes first.
    ...[config, '--sentinel', '--bind', host, '--port', String(port)],
    ...['--protected-mode', 'no', '--daemonize', 'no'],
  ],
  ready: /Sentinel ID is/,
};

/**
 * Starts a Redis Sentinel, always another one.
 * @param config The text of its configuration: `sentinel monitor …` and more. Sentinel adds what it finds out.
 * @throws ServiceUnavailable
 */
export function startRedisSentinel(config: string): Promise<Server> {
  return startServer(sentinel, { config });
}
