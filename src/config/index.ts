/**
 * Configuration: the environment, parsed once into a frozen object. The only reader of process.env. Every problem is
 * reported in one go, with the variable's name and never a value that could be a secret.
 */
import { isIP } from 'node:net';
import { type CallerToken, parseCallerTokens } from './caller-tokens.ts';
import { pairProblem, parseCertificates, parsePrivateKey } from './pem.ts';
import { type Address, ConfigError, type Environment, Reader } from './reader.ts';
import { parseSigningKeys } from './secrets.ts';
import {
  type DatabaseConfig,
  type NatsConfig,
  readDatabase,
  readLogLevel,
  readNats,
  readTtlSeconds,
} from './shared.ts';
import { readTokens, type TokensConfig } from './tokens.ts';

export { type Address, ConfigError };

export interface Config {
  readonly database: DatabaseConfig;
  readonly redisUrl: string | null;
  readonly nats: NatsConfig | null;
  readonly tokens: TokensConfig;
  /** Secrets from which the keys of MACs are derived, newest first; empty when there is none. */
  readonly signingKeys: readonly string[];
  readonly grpcAddress: Address;
  readonly httpAddress: Address | null;
  readonly callers: readonly CallerToken[];
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa: string | null } | null;
  /** Whether the operator took it upon themselves to listen without authentication. */
  readonly insecure: boolean;
  readonly policyPath: string | null;
  readonly leaseSeconds: number;
  readonly ttlSeconds: number;
  readonly memoryEntries: number;
  readonly workers: number;
  readonly logLevel: string;
  /** Variables that begin with `ASSENT_` and that nothing reads. */
  readonly unknown: readonly string[];
  /** Whether OpenTelemetry's own variables, which its SDK reads itself, ask for traces. */
  readonly traces: boolean;
}

/** Whether only this machine can reach an address. */
const isLocal = (address: Address): boolean =>
  address.kind === 'unix' ||
  address.host === 'localhost' ||
  address.host === '::1' ||
  (isIP(address.host) === 4 && address.host.startsWith('127.'));

const readTls = (read: Reader): Config['tls'] => {
  const problemsBefore = read.problems.length;
  const pem = (name: string, parse: typeof parseCertificates): string | null => {
    const text = read.file(name);
    return text === null ? null : read.parsed(name, parse(text));
  };
  const cert = pem('ASSENT_TLS_CERT', parseCertificates);
  const key = pem('ASSENT_TLS_KEY', parsePrivateKey);
  const clientCa = pem('ASSENT_TLS_CLIENT_CA', parseCertificates);
  const named = (name: string): boolean => read.text(name) !== null;
  if (named('ASSENT_TLS_CERT') !== named('ASSENT_TLS_KEY')) {
    read.problem('ASSENT_TLS_CERT and ASSENT_TLS_KEY must be set together.');
  }
  if (named('ASSENT_TLS_CLIENT_CA') && !named('ASSENT_TLS_CERT')) {
    read.problem('ASSENT_TLS_CLIENT_CA needs ASSENT_TLS_CERT and ASSENT_TLS_KEY.');
  }
  if (cert === null || key === null) return null;
  if (read.problems.length === problemsBefore) {
    const problem = pairProblem(cert, key);
    if (problem !== null) read.problem(`ASSENT_TLS_CERT and ASSENT_TLS_KEY ${problem}`);
  }
  return { cert, key, clientCa };
};

const wantsTraces = (read: Reader): boolean => {
  if (read.text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false;
  const exporter = read.text('OTEL_TRACES_EXPORTER');
  if (exporter !== null) return exporter !== 'none';
  return read.text('OTEL_EXPORTER_OTLP_ENDPOINT') !== null || read.text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') !== null;
};

/**
 * Parses the environment.
 * @throws {ConfigError} listing every problem.
 */
export const loadConfig = (environment: Environment): Config => {
  const read = new Reader(environment);

  const database = readDatabase(read);
  const nats = readNats(read);
  const tokens = readTokens(read);
  const signingKeys = read.parsed('', parseSigningKeys(read.text('ASSENT_SIGNING_KEY')));
  const tls = readTls(read);
  const callersFile = read.file('ASSENT_CALLER_TOKENS');
  const callers = callersFile === null ? [] : read.parsed('ASSENT_CALLER_TOKENS', parseCallerTokens(callersFile));
  const grpcAddress = read.address('ASSENT_GRPC_ADDRESS', '127.0.0.1:50051');
  const httpAddress =
    read.text('ASSENT_HTTP_ADDRESS') === 'off' ? null : read.address('ASSENT_HTTP_ADDRESS', '127.0.0.1:8080');
  const insecure = read.text('ASSENT_INSECURE') === '1';
  const authenticated = callers.length > 0 || (tls !== null && tls.clientCa !== null);
  // What was meant to authenticate callers and cannot be used is a problem already, and the only one to solve.
  const meant = read.text('ASSENT_CALLER_TOKENS') !== null || read.text('ASSENT_TLS_CLIENT_CA') !== null;
  const told = meant && read.problems.length > 0;
  for (const [name, address] of [
    ['ASSENT_GRPC_ADDRESS', grpcAddress],
    ['ASSENT_HTTP_ADDRESS', httpAddress],
  ] as const) {
    if (address === null || isLocal(address) || authenticated || insecure || told) continue;
    read.problem(
      `${name} can be reached from other machines and nothing authenticates callers: set ASSENT_CALLER_TOKENS, or ASSENT_TLS_CERT, ASSENT_TLS_KEY and ASSENT_TLS_CLIENT_CA, or listen on 127.0.0.1 or a unix socket. ASSENT_INSECURE=1 listens all the same: everybody who reaches the port can then read your users.`,
    );
  }
  const config: Config = {
    database,
    redisUrl: read.url('REDIS_URL', ['redis:', 'rediss:']),
    nats,
    tokens,
    signingKeys: signingKeys.length > 0 ? signingKeys : tokens.hs256.secrets,
    grpcAddress,
    httpAddress,
    callers,
    tls,
    insecure,
    policyPath: read.text('ASSENT_POLICY'),
    leaseSeconds: read.integer('ASSENT_EVENTS_LEASE_SECONDS', 2, 1, 60),
    ttlSeconds: readTtlSeconds(read),
    memoryEntries: read.integer('ASSENT_MEMORY_ENTRIES', 100_000, 1, 10_000_000),
    workers: read.integer('ASSENT_WORKERS', 1, 0, 256),
    logLevel: readLogLevel(read),
    traces: wantsTraces(read),
    unknown: read.unknown(),
  };
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return Object.freeze(config);
};
