/** Addresses of NATS, and the parts of its client that the contract needs. */
import type { ConnectionOptions, NatsConnection } from 'nats';
import { type NatsTlsFiles, readCredentials, readTlsFiles } from './credentials.ts';

/** Where NATS is, and how a program authenticates to it. */
export interface NatsTarget {
  /** One or several URLs, separated by commas, with user and password or a token if need be. */
  readonly url: string;
  /** The path of a credentials file, in place of credentials in the URL. */
  readonly credentials?: string | null | undefined;
  /** With any of them a connection without TLS is refused. */
  readonly tls?: NatsTlsFiles | null | undefined;
  /** How long it may take to connect, in milliseconds; 2,000 when absent. */
  readonly connectTimeoutMs?: number | undefined;
}

/** The default of {@link NatsTarget.connectTimeoutMs}. */
const CONNECT_TIMEOUT_MS = 2_000;

/**
 * The options of the client for one connection. The files are read by each call: the client itself never reconnects
 * (`reconnect: false`), since it would hide how long it was disconnected and keep unsent messages without bound.
 * @throws when a file cannot be used. The error does not repeat its content.
 */
export async function connectionOptions(target: NatsTarget): Promise<ConnectionOptions> {
  const { url, credentials = null, tls = null, connectTimeoutMs = CONNECT_TIMEOUT_MS } = target;
  return {
    ...serversOf(url),
    ...(credentials === null ? {} : { authenticator: await readCredentials(credentials) }),
    ...(tls === null ? {} : { tls: await readTlsFiles(tls) }),
    timeout: connectTimeoutMs,
    reconnect: false,
  };
}

/** The options of the client for one set of servers. */
export interface NatsServers {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  /** Present where a connection without TLS is refused. */
  readonly tls?: object;
}

/**
 * Users write addresses and credentials in one URL, or in several that are separated by commas; the client takes them apart.
 * The credentials of the first URL count for all.
 */
export function serversOf(urls: string): NatsServers {
  const parsed = urls.split(',').map((url) => new URL(url.trim()));
  const [first] = parsed;
  const user = decodeURIComponent(first?.username ?? '');
  const pass = decodeURIComponent(first?.password ?? '');
  const servers = parsed.map(({ protocol, host }) => `${protocol}//${host}`);
  // Without this option the client believes the server's plain-text greeting, and sends its password to a server without TLS.
  const tls = parsed.some(({ protocol }) => protocol === 'tls:') ? { tls: {} } : {};
  if (user === '') return { servers, ...tls };
  return pass === '' ? { servers, token: user, ...tls } : { servers, user, pass, ...tls };
}

/** The JetStream domain of the server at the other end, null where it has none. The types of the client leave it out. */
export function serverDomain({ info }: NatsConnection): string | null {
  return (info as { readonly domain?: string } | undefined)?.domain ?? null;
}

/** The reason and the remedies when a request to JetStream has no responders. */
export const NO_RESPONDERS =
  'JetStream does not answer at this NATS server: the server has none and no way to one that has, the account has none (enable it for the account), or it has another domain (NATS_JETSTREAM_DOMAIN, or the option "domain" of the plugin)';
