/** The configuration of the programs beside the service: `npm run sql` and `npm run relay`. */

import { ConfigError, type Environment, Reader } from './reader.ts';
import {
  type DatabaseConfig,
  type NatsConfig,
  readDatabase,
  readDatabaseUrl,
  readLogLevel,
  readNats,
  readTtlSeconds,
} from './shared.ts';

/**
 * The part of the configuration that says where Better Auth's tables are.
 * @throws {ConfigError} listing every problem of it.
 */
export const loadDatabaseConfig = (environment: Environment): DatabaseConfig => {
  const read = new Reader(environment);
  const database = readDatabase(read);
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return database;
};

/** How long events are worth keeping: what an entry lives at most, and some more. */
const EVENT_MARGIN_SECONDS = 60;

/** The relay's configuration. */
export interface RelayConfig extends NatsConfig {
  /** Of the relay's own role. */
  readonly databaseUrl: string;
  readonly maxAgeMs: number;
  readonly logLevel: string;
}

/**
 * Parses the environment of the relay.
 * @throws {ConfigError} listing every problem.
 */
export const loadRelayConfig = (environment: Environment): RelayConfig => {
  const read = new Reader(environment);
  const database = readDatabaseUrl(read, 'RELAY_DATABASE_URL');
  if (read.text('RELAY_DATABASE_URL') === null) {
    read.problem('RELAY_DATABASE_URL must be set: the database of the outbox, as the role assent_relay.');
  }
  const nats = readNats(read);
  if (read.text('NATS_URL') === null) read.problem('NATS_URL must be set: where changes are published.');
  const logLevel = readLogLevel(read);
  const maxAgeMs = (readTtlSeconds(read) + EVENT_MARGIN_SECONDS) * 1_000;
  if (database === null || nats === null || read.problems.length > 0) throw new ConfigError(read.problems);
  return { databaseUrl: database.url, ...nats, maxAgeMs, logLevel };
};
