/** The configuration of the command-line programs `npm run sql` and `npm run relay`. */
import { type NatsConfig, readNats } from './nats.ts';
import { ConfigError, type Environment, Reader } from './reader.ts';
import { type DatabaseConfig, readDatabase, readDatabaseUrl, readLogLevel, readTtlSeconds } from './shared.ts';

/**
 * Parses the variables that locate Better Auth's tables.
 * @throws {ConfigError} listing every problem.
 */
export function loadDatabaseConfig(environment: Environment): DatabaseConfig {
  const read = new Reader(environment);
  const database = readDatabase(read);
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return database;
}

/** The relay's configuration. */
export interface RelayConfig extends NatsConfig {
  /** Connects as the relay's own role. */
  readonly databaseUrl: string;
  /** How long a stream that has to be created keeps messages, in milliseconds. */
  readonly maxAgeMs: number;
  readonly logLevel: string;
}

/** An event is useful for as long as a cached entry can live: the TTL and this margin. */
const EVENT_MARGIN_SECONDS = 60;

/**
 * Parses the environment of the relay.
 * @throws {ConfigError} listing every problem.
 */
export function loadRelayConfig(environment: Environment): RelayConfig {
  const read = new Reader(environment);
  const database = readDatabaseUrl(read, 'RELAY_DATABASE_URL');
  if (!read.has('RELAY_DATABASE_URL')) {
    read.problem('RELAY_DATABASE_URL must be set: the database of the outbox, as the role assent_relay.');
  }
  const nats = readNats(read);
  if (!read.has('NATS_URL')) read.problem('NATS_URL must be set: where changes are published.');
  const logLevel = readLogLevel(read);
  const maxAgeMs = (readTtlSeconds(read) + EVENT_MARGIN_SECONDS) * 1_000;
  if (database === null || nats === null || read.problems.length > 0) throw new ConfigError(read.problems);
  return { databaseUrl: database.url, ...nats, maxAgeMs, logLevel };
}
