import type { TestProject } from 'vitest/node';
import {
  type PostgresServer,
  type Server,
  startNats,
  startPostgres,
  startRedis,
} from '../../tools/local-services/index.ts';

/** The servers that all test files of a run share; each file takes its own part (database.ts, redis.ts, nats.ts). */
declare module 'vitest' {
  export interface ProvidedContext {
    /** Of the superuser, and the database `postgres`. */
    postgresUrl: string;
    redisUrl: string;
    /** Has JetStream. */
    natsUrl: string;
  }
}

type Servers = readonly [PostgresServer, Server, Server];

/** Each project of a run calls the setup from another module instance; they share the servers by the global object. */
interface Shared {
  users: number;
  servers: Promise<Servers> | null;
}
const holder = globalThis as { assentTestServers?: Shared };
holder.assentTestServers ??= { users: 0, servers: null };
const shared = holder.assentTestServers;

/** Starts the servers before the first test file of the first project that needs them. */
export async function setup(project: TestProject): Promise<void> {
  shared.users += 1;
  shared.servers ??= start();
  const [postgres, redis, nats] = await shared.servers;
  project.provide('postgresUrl', postgres.url);
  project.provide('redisUrl', redis.url);
  project.provide('natsUrl', nats.url);
}

/** Stops them after the last test file of the last project. */
export async function teardown(): Promise<void> {
  shared.users -= 1;
  if (shared.users > 0) return;
  const servers = await shared.servers?.catch(() => []);
  shared.servers = null;
  await stop(servers ?? []);
}

async function start(): Promise<Servers> {
  const starts = await Promise.allSettled([startPostgres(), startRedis(), startNats()]);
  const [postgres, redis, nats] = starts;
  if (postgres.status === 'rejected' || redis.status === 'rejected' || nats.status === 'rejected') {
    await stop(starts.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
    throw starts.find((one) => one.status === 'rejected')?.reason;
  }
  return [postgres.value, redis.value, nats.value];
}

async function stop(servers: readonly (PostgresServer | Server)[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
}
