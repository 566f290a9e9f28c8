/** Real PostgreSQL, Redis and NATS for tests, demo and benches: separate processes that never outlive ours. */
export {
  createDatabase,
  databaseUrl,
  dropDatabase,
  ensureTemplateDatabase,
  openConnections,
  uniqueDatabaseName,
  withClient,
} from './databases.ts';
export { type NatsOptions, startNats } from './nats.ts';
export { type NatsLink, type NatsLinkOpener, type NatsServerPlan, startNatsNetwork } from './nats-network.ts';
export { type Pooler, type PoolerOptions, startPgBouncer } from './pgbouncer.ts';
export { freePort } from './ports.ts';
export { type PostgresOptions, type PostgresServer, startPostgres } from './postgres.ts';
export { startRedis, startRedisSentinel } from './redis.ts';
export type { Server, ServerOptions } from './server.ts';
export { ServiceUnavailable } from './unavailable.ts';
