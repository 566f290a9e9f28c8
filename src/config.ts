/**
 * Configuration: the environment, parsed once into a frozen object. The only reader of process.env. Every problem is
 * reported in one go, with the variable's name and never a value that could be a secret.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { type CallerToken, parseCallerTokens } from './config/caller-tokens.ts';
import { parseNaming } from './config/naming.ts';
import { parseSecrets } from './config/secrets.ts';
import type { Naming } from './database/naming.ts';

/** Where a door listens. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

export interface Config {
  readonly database: { readonly url: string; readonly schema: string | null; readonly naming: Naming };
  readonly redisUrl: string | null;
  readonly nats: { readonly url: string; readonly stream: string; readonly prefix: string } | null;
  /** Secrets of HS256 tokens, newest first; empty when no such token is taken. */
  readonly hs256: {
    readonly secrets: readonly string[];
    readonly issuer: string | null;
    readonly audience: string | null;
  };
  /** Keys of asymmetric tokens; null when no such token is taken. */
  readonly jwks: { readonly source: 'database' | URL; readonly issuer: string; readonly audience: string } | null;
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
  /** Whether OpenTelemetry's own variables, which its SDK reads itself, ask for traces. */
  readonly traces: boolean;
}

/** The environment cannot be used. The message lists every problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The configuration has ${problems.length === 1 ? 'a problem' : `${problems.length} problems`}:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** Whether only this machine can reach an address. */
export const isLocal = (address: Address): boolean =>
  address.kind === 'unix' ||
  address.host === 'localhost' ||
  address.host === '::1' ||
  (isIP(address.host) === 4 && address.host.startsWith('127.'));

const parseAddress = (text: string): Address | null => {
  if (text.startsWith('unix:')) {
    const path = text.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
    return path === '' ? null : { kind: 'unix', path };
  }
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]\s]+)):(?<port>\d{1,5})$/.exec(text);
  const host = match?.groups?.['v6'] ?? match?.groups?.['host'];
  const port = Number(match?.groups?.['port']);
  return host === undefined || port > 65_535 ? null : { kind: 'tcp', host, port };
};

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads variables and collects what is wrong with them. An empty variable counts as unset, as Compose writes it. */
class Reader {
  readonly problems: string[] = [];
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  problem(text: string): null {
    this.problems.push(text);
    return null;
  }

  text(name: string): string | null {
    const value = this.#environment[name]?.trim() ?? '';
    return value === '' ? null : value;
  }

  url(name: string, protocols: readonly string[]): string | null {
    const value = this.text(name);
    if (value === null) return null;
    for (const part of name === 'NATS_URL' ? value.split(',') : [value]) {
      const protocol = URL.canParse(part.trim()) ? new URL(part.trim()).protocol : '';
      if (!protocols.includes(protocol)) {
        return this.problem(
          `${name} must be a URL that begins with ${protocols.map((known) => `${known}//`).join(' or ')}.`,
        );
      }
    }
    return value;
  }

  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.text(name);
    if (value === null) return fallback;
    const parsed = z.string().regex(/^\d+$/).transform(Number).pipe(z.number().min(min).max(max)).safeParse(value);
    if (parsed.success) return parsed.data;
    this.problem(`${name} must be a whole number from ${min} to ${max}.`);
    return fallback;
  }

  address(name: string, fallback: string): Address {
    const parsed = parseAddress(this.text(name) ?? fallback);
    if (parsed !== null) return parsed;
    this.problem(`${name} must be HOST:PORT, [IPV6]:PORT or unix:PATH.`);
    return { kind: 'tcp', host: '127.0.0.1', port: 0 };
  }

  file(name: string): string | null {
    const path = this.text(name);
    if (path === null) return null;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'error';
      return this.problem(`${name} names a file that cannot be read (${code}).`);
    }
  }

  /** Takes the result of a parser that either returns a value or a list of problems. */
  parsed<T>(name: string, result: { readonly value: T; readonly problems: readonly string[] }): T {
    for (const problem of result.problems) this.problem(`${name} ${problem}`.trimStart());
    return result.value;
  }
}

const readDatabase = (read: Reader): Config['database'] => {
  const url = read.url('DATABASE_URL', ['postgres:', 'postgresql:']);
  if (url === null && read.text('DATABASE_URL') === null) {
    read.problem("DATABASE_URL must be set: the PostgreSQL URL of Better Auth's database.");
  }
  const naming = read.parsed('ASSENT_NAMING', parseNaming(read.text('ASSENT_NAMING') ?? 'auto'));
  return { url: url ?? '', schema: read.text('ASSENT_DB_SCHEMA'), naming };
};

/**
 * The part of the configuration that says where Better Auth's tables are.
 * @throws {ConfigError} listing every problem of it.
 */
export const loadDatabaseConfig = (environment: Environment): Config['database'] => {
  const read = new Reader(environment);
  const database = readDatabase(read);
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return database;
};

const readJwks = (read: Reader): Config['jwks'] => {
  const source = read.text('ASSENT_JWKS') ?? 'database';
  if (source === 'off') return null;
  const baseUrl = read.url('BETTER_AUTH_URL', ['http:', 'https:']);
  const origin = baseUrl === null ? null : new URL(baseUrl).origin;
  const issuer = read.text('ASSENT_JWT_ISSUER') ?? origin;
  const audience = read.text('ASSENT_JWT_AUDIENCE') ?? origin;
  const missing = [
    ...(issuer === null ? ['ASSENT_JWT_ISSUER'] : []),
    ...(audience === null ? ['ASSENT_JWT_AUDIENCE'] : []),
  ];
  if (missing.length > 0 && read.text('BETTER_AUTH_URL') === null) {
    read.problem(
      `${missing.join(' and ')} must be set, or BETTER_AUTH_URL, from whose origin both follow: the issuer and the audience of tokens signed with published keys are always checked. ASSENT_JWKS=off takes HS256 tokens only.`,
    );
  }
  if (source !== 'database' && !/^https?:$/.test(URL.canParse(source) ? new URL(source).protocol : '')) {
    return read.problem('ASSENT_JWKS must be "database", "off" or an http(s) URL of a JWKS document.');
  }
  if (source !== 'database' && (new URL(source).username !== '' || new URL(source).password !== '')) {
    return read.problem('ASSENT_JWKS must be a URL without a user or password.');
  }
  if (issuer === null || audience === null) return null;
  return { source: source === 'database' ? source : new URL(source), issuer, audience };
};

const readTls = (read: Reader): Config['tls'] => {
  const cert = read.file('ASSENT_TLS_CERT');
  const key = read.file('ASSENT_TLS_KEY');
  const clientCa = read.file('ASSENT_TLS_CLIENT_CA');
  const named = (name: string): boolean => read.text(name) !== null;
  if (named('ASSENT_TLS_CERT') !== named('ASSENT_TLS_KEY')) {
    read.problem('ASSENT_TLS_CERT and ASSENT_TLS_KEY must be set together.');
  }
  if (named('ASSENT_TLS_CLIENT_CA') && !named('ASSENT_TLS_CERT')) {
    read.problem('ASSENT_TLS_CLIENT_CA needs ASSENT_TLS_CERT and ASSENT_TLS_KEY.');
  }
  return cert === null || key === null ? null : { cert, key, clientCa };
};

const wantsTraces = (read: Reader): boolean => {
  if (read.text('OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return false;
  const exporter = read.text('OTEL_TRACES_EXPORTER');
  if (exporter !== null) return exporter !== 'none';
  return read.text('OTEL_EXPORTER_OTLP_ENDPOINT') !== null || read.text('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT') !== null;
};

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

/**
 * Parses the environment.
 * @throws {ConfigError} listing every problem.
 */
export const loadConfig = (environment: Environment): Config => {
  const read = new Reader(environment);

  const database = readDatabase(read);
  const natsUrl = read.url('NATS_URL', ['nats:', 'tls:']);
  const stream = read.text('NATS_STREAM') ?? 'BETTERAUTH';
  if (!/^[A-Za-z0-9_-]+$/.test(stream)) read.problem('NATS_STREAM may have letters, digits, _ and - only.');
  const prefix = read.text('ASSENT_EVENTS_PREFIX') ?? 'betterauth';
  if (!/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(prefix)) {
    read.problem('ASSENT_EVENTS_PREFIX must be subject tokens joined by dots, without wildcards.');
  }
  const secrets = read.parsed('', parseSecrets(read.text('BETTER_AUTH_SECRET'), read.text('BETTER_AUTH_SECRETS')));
  const jwks = readJwks(read);
  if (secrets.length === 0 && jwks === null && read.text('ASSENT_JWKS') === 'off') {
    read.problem('BETTER_AUTH_SECRET must be set when ASSENT_JWKS is off: no token could be verified.');
  }
  const tls = readTls(read);
  const callersFile = read.file('ASSENT_CALLER_TOKENS');
  const callers = callersFile === null ? [] : read.parsed('ASSENT_CALLER_TOKENS', parseCallerTokens(callersFile));
  const grpcAddress = read.address('ASSENT_GRPC_ADDRESS', '127.0.0.1:50051');
  const httpAddress =
    read.text('ASSENT_HTTP_ADDRESS') === 'off' ? null : read.address('ASSENT_HTTP_ADDRESS', '127.0.0.1:8080');
  const insecure = read.text('ASSENT_INSECURE') === '1';
  const authenticated = callers.length > 0 || (tls !== null && tls.clientCa !== null);
  for (const [name, address] of [
    ['ASSENT_GRPC_ADDRESS', grpcAddress],
    ['ASSENT_HTTP_ADDRESS', httpAddress],
  ] as const) {
    if (address === null || isLocal(address) || authenticated || insecure) continue;
    read.problem(
      `${name} can be reached from other machines and nothing authenticates callers: set ASSENT_CALLER_TOKENS, or ASSENT_TLS_CERT, ASSENT_TLS_KEY and ASSENT_TLS_CLIENT_CA, or listen on 127.0.0.1 or a unix socket. ASSENT_INSECURE=1 listens all the same: everybody who reaches the port can then read your users.`,
    );
  }
  const logLevel = read.text('LOG_LEVEL') ?? 'info';
  if (!LOG_LEVELS.includes(logLevel)) read.problem(`LOG_LEVEL must be one of ${LOG_LEVELS.join(', ')}.`);

  const config: Config = {
    database,
    redisUrl: read.url('REDIS_URL', ['redis:', 'rediss:']),
    nats: natsUrl === null ? null : { url: natsUrl, stream, prefix },
    hs256: { secrets, issuer: read.text('ASSENT_HS256_ISSUER'), audience: read.text('ASSENT_HS256_AUDIENCE') },
    jwks,
    grpcAddress,
    httpAddress,
    callers,
    tls,
    insecure,
    policyPath: read.text('ASSENT_POLICY'),
    leaseSeconds: read.integer('ASSENT_EVENTS_LEASE_SECONDS', 2, 1, 60),
    ttlSeconds: read.integer('ASSENT_PERMISSION_TTL_SECONDS', 300, 1, 3600),
    memoryEntries: read.integer('ASSENT_MEMORY_ENTRIES', 100_000, 1, 10_000_000),
    workers: read.integer('ASSENT_WORKERS', 1, 0, 256),
    logLevel,
    traces: wantsTraces(read),
  };
  if (read.problems.length > 0) throw new ConfigError(read.problems);
  return Object.freeze(config);
};
