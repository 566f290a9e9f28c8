/**
 * The configuration of the service: the environment, parsed once into a frozen object. Every problem is reported at once, with
 * the name of its variable and without a value, which may be a secret.
 */
import { isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import type { CallersPlace } from '../callers/entry.ts';
import { parseCallers } from '../callers/file.ts';
import type { CallersFile } from '../callers/store.ts';
import { type CallerToken, parseCallerTokens } from './caller-tokens.ts';
import { type ConnectionsConfig, readConnections } from './connections.ts';
import { type ListeningConfig, readListening } from './listening.ts';
import { type NatsSubscriptionConfig, readNatsSubscription } from './nats.ts';
import { type Address, ConfigError, type Environment, Reader } from './reader.ts';
import { parseSigningKeys } from './secrets.ts';
import { type DatabaseConfig, readDatabase, readLogLevel, readTtlSeconds } from './shared.ts';
import { readTls, readTlsFiles, type TlsConfig, type TlsFiles } from './tls.ts';
import { readTokens, type TokensConfig } from './tokens.ts';
import { type PoolConfig, type RedisConfig, readPool, readRedis } from './waiting.ts';

export { type Address, ConfigError };

export interface Config extends ListeningConfig {
  readonly database: DatabaseConfig;
  readonly pool: PoolConfig;
  readonly redis: RedisConfig | null;
  readonly nats: NatsSubscriptionConfig | null;
  readonly tokens: TokensConfig;
  /** Secrets from which the keys of MACs are derived, newest first; empty when none is set. */
  readonly signingKeys: readonly string[];
  readonly grpcAddress: Address;
  readonly httpAddress: Address | null;
  /** The callers of `ASSENT_CALLER_TOKENS`. */
  readonly callers: readonly CallerToken[];
  /** `ASSENT_CALLERS`; null when it is not set. */
  readonly callersFile: CallersFile | null;
  readonly tls: TlsConfig | null;
  readonly tlsFiles: TlsFiles | null;
  readonly connections: ConnectionsConfig;
  /** True when the operator accepts callers without authentication. */
  readonly insecure: boolean;
  readonly policyPath: string | null;
  readonly leaseSeconds: number;
  readonly ttlSeconds: number;
  readonly memoryEntries: number;
  /** How many processes answer calls: the number of cores where the setting is 0. */
  readonly workers: number;
  readonly logLevel: string;
  /** Variables that begin with `ASSENT_` and have no effect. */
  readonly unknown: readonly string[];
  /** True when OpenTelemetry's own variables, which its SDK reads itself, ask for traces. */
  readonly traces: boolean;
}

/**
 * Parses the environment.
 * @throws {ConfigError} listing every problem.
 */
export function loadConfig(environment: Environment): Config {
  const read = new Reader(environment);
  const database = readDatabase(read);
  const leaseSeconds = read.integer('ASSENT_EVENTS_LEASE_SECONDS', 2, 1, 60);
  const nats = readNatsSubscription(read, leaseSeconds);
  const tokens = readTokens(read);
  const signingKeys = read.parsed('', parseSigningKeys(read.text('ASSENT_SIGNING_KEY')));
  const workers = read.integer('ASSENT_WORKERS', 1, 0, 256) || availableParallelism();
  const servers = readServers(read, workers);
  const config: Config = {
    database,
    pool: readPool(read),
    redis: readRedis(read),
    nats,
    tokens,
    signingKeys: signingKeys.length > 0 ? signingKeys : tokens.hs256.secrets,
    ...servers,
    tlsFiles: readTlsFiles(read),
    ...readListening(read),
    connections: readConnections(read),
    policyPath: read.text('ASSENT_POLICY'),
    leaseSeconds,
    ttlSeconds: readTtlSeconds(read),
    memoryEntries: read.integer('ASSENT_MEMORY_ENTRIES', 100_000, 1, 10_000_000),
    workers,
    logLevel: readLogLevel(read),
    traces: wantsTraces(read),
    unknown: read.unknown(),
  };
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return Object.freeze(config);
}

type ServersConfig = Pick<Config, 'grpcAddress' | 'httpAddress' | 'callers' | 'callersFile' | 'tls' | 'insecure'>;

function readServers(read: Reader, workers: number): ServersConfig {
  const tls = readTls(read);
  const tokens = read.file('ASSENT_CALLER_TOKENS');
  const callers = tokens === null ? [] : read.parsed('ASSENT_CALLER_TOKENS', parseCallerTokens(tokens));
  const callersFile = readCallersFile(read, { hasClientCertificates: read.has('ASSENT_TLS_CLIENT_CA'), workers });
  const grpcAddress = read.address('ASSENT_GRPC_ADDRESS', '127.0.0.1:50051');
  const httpAddress =
    read.text('ASSENT_HTTP_ADDRESS') === 'off' ? null : read.address('ASSENT_HTTP_ADDRESS', '127.0.0.1:8080');
  const insecure = read.text('ASSENT_INSECURE') === '1';
  const servers = { grpcAddress, httpAddress, callers, callersFile, tls, insecure };
  refuseUnauthenticated(read, servers);
  return servers;
}

function readCallersFile(read: Reader, place: CallersPlace): CallersFile | null {
  const path = read.text('ASSENT_CALLERS');
  if (path === null) return null;
  // Which of the two counts is not guessed: one of them may have been left behind.
  if (read.has('ASSENT_CALLER_TOKENS')) {
    read.problem('ASSENT_CALLERS and ASSENT_CALLER_TOKENS must not be set together: leave one of them out.');
  }
  const text = read.file('ASSENT_CALLERS');
  if (text === null) return null;
  const entries = read.parsed('ASSENT_CALLERS', parseCallers(text, place));
  return { path, text, entries, place };
}

/** A server without authentication of its callers must not be reachable from other machines, unless the operator accepts it. */
function refuseUnauthenticated(read: Reader, servers: ServersConfig): void {
  const { callers, callersFile, tls, insecure, grpcAddress, httpAddress } = servers;
  const callersAreAuthenticated = callers.length > 0 || callersFile !== null || (tls !== null && tls.clientCa !== null);
  // The operator did configure authentication, but it cannot be used. That problem is listed already: this one follows from it.
  const authenticationIsBroken =
    ['ASSENT_CALLER_TOKENS', 'ASSENT_CALLERS', 'ASSENT_TLS_CLIENT_CA'].some((name) => read.has(name)) &&
    read.problems.length > 0;
  if (callersAreAuthenticated || insecure || authenticationIsBroken) return;
  for (const [name, address] of [
    ['ASSENT_GRPC_ADDRESS', grpcAddress],
    ['ASSENT_HTTP_ADDRESS', httpAddress],
  ] as const) {
    if (address === null || isLocal(address)) continue;
    read.problem(
      `${name} can be reached from other machines and callers are not authenticated: set ASSENT_CALLERS or ASSENT_CALLER_TOKENS, or ASSENT_TLS_CERT, ASSENT_TLS_KEY and ASSENT_TLS_CLIENT_CA, or listen on 127.0.0.1 or a unix socket. ASSENT_INSECURE=1 listens in spite of this: anyone with access to the port can then read your users.`,
    );
  }
}

/** True for an address that only this machine can reach. */
function isLocal(address: Address): boolean {
  return (
    address.kind === 'unix' ||
    address.host === 'localhost' ||
    address.host === '::1' ||
    (isIP(address.host) === 4 && address.host.startsWith('127.'))
  );
}

function wantsTraces(read: Reader): boolean {
  if (read.text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false;
  const exporter = read.text('OTEL_TRACES_EXPORTER');
  if (exporter !== null) return exporter !== 'none';
  return read.has('OTEL_EXPORTER_OTLP_ENDPOINT') || read.has('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT');
}
