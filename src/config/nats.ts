/** The settings of NATS: where events are, how a program authenticates there, and how long it waits. */
import { type NatsTlsFiles, parseCredentials, serversOf } from '@assent/event-contract';
import type { Reader } from './reader.ts';
import { pairProblem, parseCertificates, parsePrivateKey, readPem } from './tls.ts';

/** The first is the default. */
const NATS_MODES = ['stream', 'core'] as const;

/** The location of events. */
export interface NatsConfig {
  readonly url: string;
  readonly stream: string;
  readonly prefix: string;
  /** `stream`: events come from JetStream only. `core`: from core NATS, which may lose messages. */
  readonly mode: (typeof NATS_MODES)[number];
  /** The JetStream domain of the stream; null for the domain of the servers of `url`. */
  readonly domain: string | null;
  /** The path of the credentials file, which is read again for each connection. */
  readonly credentials: string | null;
  /** The paths of PEM files, which are read again for each connection. */
  readonly tls: NatsTlsFiles | null;
  /** How long it may take to connect, in milliseconds. */
  readonly connectTimeoutMs: number;
}

/** What the service needs beyond a publisher. */
export interface NatsSubscriptionConfig extends NatsConfig {
  /** How long NATS may take to answer a request, in milliseconds. */
  readonly requestTimeoutMs: number;
}

const MIN_TIMEOUT_MS = 10;
const MAX_TIMEOUT_MS = 60_000;

/** Reads the settings that the service and the relay share. Null without `NATS_URL`. */
export function readNats(read: Reader): NatsConfig | null {
  const url = read.url('NATS_URL', ['nats:', 'tls:']);
  const stream = read.text('NATS_STREAM') ?? 'BETTERAUTH';
  if (!/^[A-Za-z0-9_-]+$/.test(stream)) read.problem('NATS_STREAM may have letters, digits, _ and - only.');
  const prefix = read.text('ASSENT_EVENTS_PREFIX') ?? 'betterauth';
  if (!/^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(prefix)) {
    read.problem('ASSENT_EVENTS_PREFIX must be subject tokens joined by dots, without wildcards.');
  }
  const mode = read.choice('NATS_MODE', NATS_MODES);
  const domain = read.text('NATS_JETSTREAM_DOMAIN');
  if (domain !== null && !/^[A-Za-z0-9_-]+$/.test(domain)) {
    read.problem('NATS_JETSTREAM_DOMAIN may have letters, digits, _ and - only.');
  }
  const credentials = readCredentialsPath(read, url);
  const tls = readTlsPaths(read);
  const connectTimeoutMs = read.integer('ASSENT_NATS_CONNECT_TIMEOUT_MS', 2_000, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS);
  return url === null ? null : { url, stream, prefix, mode, domain, credentials, tls, connectTimeoutMs };
}

/** Reads the settings of a subscription, and compares them with the lease that NATS has to renew. */
export function readNatsSubscription(read: Reader, leaseSeconds: number): NatsSubscriptionConfig | null {
  const nats = readNats(read);
  const requestTimeoutMs = read.integer('ASSENT_NATS_TIMEOUT_MS', 1_000, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS);
  if (requestTimeoutMs > leaseSeconds * 1_000) {
    // A lease counts from the moment of the question, so that such an answer renews nothing.
    read.problem(
      `ASSENT_NATS_TIMEOUT_MS (${requestTimeoutMs} ms) must not be longer than ASSENT_EVENTS_LEASE_SECONDS (${leaseSeconds} s): an answer that takes longer than the lease renews nothing. Raise the lease or lower the time.`,
    );
  }
  return nats === null ? null : { ...nats, requestTimeoutMs };
}

function readCredentialsPath(read: Reader, url: string | null): string | null {
  const name = 'NATS_CREDENTIALS';
  if (url !== null) {
    try {
      const { user, token } = serversOf(url);
      if (read.has(name) && (user ?? token) !== undefined) {
        read.problem(`${name} and the user or token in NATS_URL must not be set together: leave one.`);
      }
    } catch {
      read.problem('NATS_URL has a user or password with a "%" that is not followed by two hexadecimal digits.');
    }
  }
  const text = read.file(name);
  if (text !== null && parseCredentials(text) === null) {
    read.problem(`${name} names a file without a JWT and the seed of a user: write it by "nsc generate creds".`);
  }
  return read.text(name);
}

function readTlsPaths(read: Reader): NatsTlsFiles | null {
  const problemsBefore = read.problems.length;
  const cert = readPem(read, 'NATS_TLS_CERT', parseCertificates);
  const key = readPem(read, 'NATS_TLS_KEY', parsePrivateKey);
  readPem(read, 'NATS_TLS_CA', parseCertificates);
  if (read.has('NATS_TLS_CERT') !== read.has('NATS_TLS_KEY')) {
    read.problem('NATS_TLS_CERT and NATS_TLS_KEY must be set together.');
  } else if (cert !== null && key !== null && read.problems.length === problemsBefore) {
    const problem = pairProblem(cert, key);
    if (problem !== null) read.problem(`NATS_TLS_CERT and NATS_TLS_KEY ${problem}`);
  }
  const paths = {
    cert: read.text('NATS_TLS_CERT'),
    key: read.text('NATS_TLS_KEY'),
    ca: read.text('NATS_TLS_CA'),
  };
  return Object.values(paths).every((path) => path === null) ? null : paths;
}
