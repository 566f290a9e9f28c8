/** `REDIS_URL`: one server, the primary that Sentinel names, or a cluster. Pure; no problem repeats the URL, which may have a password. */
import type { RedisCredentials, RedisHost, RedisLocation } from '../facts/redis-location.ts';

const FORMS =
  'redis://HOST:PORT, redis-sentinel://HOST:PORT,HOST:PORT/NAME or redis-cluster://HOST:PORT,HOST:PORT, or one of them with rediss for TLS';

const LIST =
  /^(?<scheme>rediss?)-(?<kind>sentinel|cluster):\/\/(?<authority>[^/?#]*)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/;
const HOST = /^(?:\[(?<v6>[\da-fA-F:.]+)\]|(?<host>[^:[\]\s@,]+))(?::(?<port>\d{1,5}))?$/;
const PARAMETERS = ['sentinel_username', 'sentinel_password'];

const DEFAULT_PORT = { sentinel: 26_379, cluster: 6_379 };

/** Parses `REDIS_URL`. The value is null where there is a problem. */
export function parseRedisUrl(text: string): {
  readonly value: RedisLocation | null;
  readonly problems: readonly string[];
} {
  const groups = LIST.exec(text)?.groups;
  if (groups === undefined) {
    const protocol = URL.canParse(text) ? new URL(text).protocol : '';
    if (protocol === 'redis:' || protocol === 'rediss:') return { value: text, problems: [] };
    return { value: null, problems: [`must be a URL of the form ${FORMS}.`] };
  }
  const { scheme = '', kind = '', authority = '', path = '', query = '' } = groups;
  const problems: string[] = [];
  const at = authority.lastIndexOf('@');
  const credentials = credentialsOf(authority.slice(0, Math.max(at, 0)), problems);
  const tls = scheme === 'rediss';
  if (kind === 'cluster') {
    const hosts = hostsOf(authority.slice(at + 1), DEFAULT_PORT.cluster, problems);
    if (path !== '' && path !== '/') problems.push('must have no path: a cluster has the database 0 only.');
    if (query !== '') problems.push('must have no parameters after "?" for a cluster.');
    return problems.length > 0 ? { value: null, problems } : { value: { kind, hosts, credentials, tls }, problems };
  }
  const hosts = hostsOf(authority.slice(at + 1), DEFAULT_PORT.sentinel, problems);
  const { name, database } = primaryOf(path, problems);
  const sentinelCredentials = parametersOf(query, problems);
  if (problems.length > 0) return { value: null, problems };
  return { value: { kind: 'sentinel', hosts, name, database, credentials, sentinelCredentials, tls }, problems };
}

function hostsOf(list: string, defaultPort: number, problems: string[]): readonly RedisHost[] {
  return list.split(',').map((text, index) => {
    const { v6, host, port = String(defaultPort) } = HOST.exec(text.trim())?.groups ?? {};
    const name = v6 ?? host;
    if (name === undefined || Number(port) > 65_535 || Number(port) === 0) {
      problems.push(
        `has a host that cannot be read, number ${index + 1}: write HOST:PORT or [IPV6]:PORT, with commas between.`,
      );
    }
    return { host: name ?? '', port: Number(port) };
  });
}

/** `/NAME` or `/NAME/DATABASE`. */
function primaryOf(path: string, problems: string[]): { readonly name: string; readonly database: number } {
  const [, name = '', database = '0', ...rest] = path.split('/');
  if (name === '')
    problems.push('must end with the name under which the sentinels know the primary: /NAME or /NAME/DATABASE.');
  else if (!/^\d{1,5}$/.test(database) || rest.length > 0) {
    problems.push('must have a number of a database after the name of the primary, or nothing: /NAME/DATABASE.');
  }
  return { name: decoded(name, problems), database: Number(database) };
}

function credentialsOf(text: string, problems: string[]): RedisCredentials {
  const colon = text.indexOf(':');
  const username = decoded(colon === -1 ? text : text.slice(0, colon), problems);
  const password = colon === -1 ? '' : decoded(text.slice(colon + 1), problems);
  if (username !== '' && password === '')
    problems.push('has a user without a password: write USER:PASSWORD@ or :PASSWORD@.');
  return { username: username || null, password: password || null };
}

function parametersOf(query: string, problems: string[]): RedisCredentials {
  const parameters = new URLSearchParams(query);
  for (const name of new Set(parameters.keys())) {
    if (!PARAMETERS.includes(name))
      problems.push(`has a parameter that is not known: it takes ${PARAMETERS.join(' and ')}.`);
    else if (parameters.getAll(name).length > 1) problems.push(`has ${name} more than once.`);
  }
  const [username, password] = PARAMETERS.map((name) => parameters.get(name) || null);
  if (username !== null && password === null) problems.push('has sentinel_username without sentinel_password.');
  return { username: username ?? null, password: password ?? null };
}

function decoded(text: string, problems: string[]): string {
  try {
    return decodeURIComponent(text);
  } catch {
    problems.push('has a "%" that is not followed by two hexadecimal digits: special characters are percent-encoded.');
    return '';
  }
}
