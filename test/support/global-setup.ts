import type { TestProject } from 'vitest/node';
import {
  type PostgresServer,
  type Server,
  startNats,
  startPostgres,
  startRedis,
} from '../../tools/local-services/index.ts';

/** The servers that all test files of a run share; each file takes a part of its own (database.ts, redis.ts, nats.ts). */
declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the superuser, and the database `postgres`. */
    postgresUrl: string;
    redisUrl: string;
    /** Has JetStream. */
    natsUrl: string;
  }
}

let running: (PostgresServer | Server)[] = [];

/** Starts the servers before the first test file. */
export async function setup(project: TestProject): Promise<void> {
  const starts = await Promise.allSettled([startPostgres(), startRedis(), startNats()]);
  running = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const [postgres, redis, nats] = starts;
  if (postgres.status === 'rejected' || redis.status === 'rejected' || nats.status === 'rejected') {
    await teardown();
    throw starts.find((start) => start.status === 'rejected')?.reason;
  }
  project.provide('postgresUrl', postgres.value.url);
  project.provide('redisUrl', redis.value.url);
  project.provide('natsUrl', nats.value.url);
}

/** Stops them after the last. */
export async function teardown(): Promise<void> {
  await Promise.all(running.map((server) => server.stop()));
  running = [];
}
