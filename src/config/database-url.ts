/**
 * What the parameters of a PostgreSQL URL mean: pure. pg takes any, ignores those that it does not know, and sends some to the
 * server, so that another tool's URL could be read as another database schema. Each one is known here, or refused by name.
 */

import { isSamePath, parseSearchPath } from '../database/naming.ts';

/** A PostgreSQL URL with its parameters understood. */
export interface DatabaseUrl {
  /** For pg: without the parameters that it would ignore, or that are honoured here. */
  readonly url: string;
  /** The database schemas that the URL names, in order; null when it names none. `$user` stands for the role's own. */
  readonly searchPath: readonly string[] | null;
}

interface Parsed {
  readonly value: DatabaseUrl;
  /** Each names a parameter, and no value but a schema's. */
  readonly problems: readonly string[];
}

/** The values that are taken; null for any. */
type Values = readonly string[] | null;

/** Left to pg. */
const PASSED: Readonly<Record<string, Values>> = {
  host: null,
  port: null,
  user: null,
  password: null,
  application_name: null,
  fallback_application_name: null,
  // Rows are read as UTF-8 whatever the server sends.
  client_encoding: ['utf8', 'UTF8', 'utf-8', 'UTF-8'],
  options: null,
  // pg takes any other text for "on".
  ssl: ['true', '1', '0', 'no-verify'],
  sslmode: ['disable', 'no-verify', 'prefer', 'require', 'verify-ca', 'verify-full'],
  sslcert: null,
  sslkey: null,
  sslrootcert: null,
  sslnegotiation: ['postgres', 'direct'],
  uselibpqcompat: ['true', 'false'],
};

/** Of no consequence for what is read, or settled by Assent itself. */
const IGNORED: Readonly<Record<string, Values>> = {
  // Prisma.
  connection_limit: null,
  pool_timeout: null,
  connect_timeout: null,
  socket_timeout: null,
  max_connection_lifetime: null,
  max_idle_connection_lifetime: null,
  single_use_connections: null,
  statement_cache_size: null,
  pgbouncer: null,
  sslaccept: ['strict', 'accept_invalid_certs'],
  // Other drivers and frameworks.
  max: null,
  min: null,
  pool: null,
  pool_size: null,
  idle_timeout: null,
  max_lifetime: null,
  prepare: null,
  prepared_statements: null,
  timezone: null,
  TimeZone: null,
  // Hosters of PostgreSQL.
  supa: null,
  workaround: null,
  // libpq, and pg's own bounds.
  keepalives: null,
  keepalives_idle: null,
  keepalives_interval: null,
  keepalives_count: null,
  tcp_user_timeout: null,
  statement_timeout: null,
  lock_timeout: null,
  idle_in_transaction_session_timeout: null,
  query_timeout: null,
  gssencmode: ['disable', 'prefer'],
  channel_binding: ['disable', 'prefer', 'require'],
  // The primary is read in any case.
  target_session_attrs: ['any', 'read-write', 'primary'],
};

/** Where a schema is named: by a name as it is, or by a list as PostgreSQL reads `search_path`. */
const SCHEMAS: Readonly<Record<string, (text: string) => readonly string[] | null>> = {
  schema: (text) => (text === '' ? null : [text]),
  currentSchema: parseSearchPath,
  search_path: parseSearchPath,
};

/** Every parameter that is known. */
export const KNOWN_PARAMETERS: readonly string[] = Object.keys({ ...SCHEMAS, ...PASSED, ...IGNORED });

/** Understands the parameters of a URL that can be parsed. */
export function parseDatabaseUrl(text: string): Parsed {
  const url = new URL(text);
  const parameters = url.searchParams;
  const problems: string[] = [];
  // pg drops it, and with it any parameter that it swallowed. An empty one has no `hash`.
  if (text.includes('#')) {
    problems.push(
      'it has a "#", and everything behind it would be dropped: remove it, or write it as %23, as in a password.',
    );
  }
  const paths: (readonly [from: string, path: readonly string[]])[] = [];
  const addPath = (from: string, path: readonly string[] | null): void => {
    if (path === null) problems.push(`its ${from} is not a list of database schemas.`);
    else paths.push([from, path]);
  };
  for (const name of new Set(parameters.keys())) {
    const values = new Set(parameters.getAll(name));
    const [value = ''] = values;
    const taken = PASSED[name] ?? IGNORED[name] ?? null;
    const schemas = SCHEMAS[name];
    if (!KNOWN_PARAMETERS.includes(name)) {
      problems.push(unknownParameter(name, values));
    } else if (values.size > 1) problems.push(`it has several values of ${name}: leave one.`);
    else if (taken !== null && !taken.includes(value)) problems.push(`its ${name} must be one of ${taken.join(', ')}.`);
    else if (schemas !== undefined) addPath(name, schemas(value));
  }
  if (parameters.has('options')) {
    const { rest, searchPath } = takeSearchPath(parameters.get('options') ?? '');
    if (searchPath !== null) {
      addPath('options, search_path,', parseSearchPath(searchPath));
      if (rest === '') parameters.delete('options');
      else parameters.set('options', rest);
    }
  }
  const [first, ...others] = paths;
  for (const [from, path] of others) {
    if (first !== undefined && !isSamePath(first[1], path)) {
      problems.push(`its ${first[0]} says ${first[1].join(',')} and its ${from} says ${path.join(',')}: leave one.`);
    }
  }
  problems.push(...tlsProblems(parameters));
  const dropped = [...new Set(parameters.keys())].filter((name) => !(name in PASSED));
  for (const name of dropped) parameters.delete(name);
  // Otherwise as it was written: nothing of it needs to be encoded anew.
  const changed = dropped.length > 0 || paths.length > 0;
  return { value: { url: changed ? url.href : text, searchPath: first?.[1] ?? null }, problems };
}

/** Takes `search_path` out of the server's command-line options: a pooler may drop those without a word. */
function takeSearchPath(options: string): { readonly rest: string; readonly searchPath: string | null } {
  // Words end at white space, and a backslash takes the next character as it is.
  const words = options.match(/(?:\\.|[^\s\\])+/gs) ?? [];
  const rest: string[] = [];
  let searchPath: string | null = null;
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    const next = words[index + 1];
    const [flag, setting] =
      word === '-c' && next !== undefined ? [`-c ${next}`, next] : [word, word.replace(/^(?:-c|--)/, '')];
    if (word === '-c' && next !== undefined) index += 1;
    const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(setting) ?? [];
    const isSetting = flag.startsWith('-c') || flag.startsWith('--');
    if (isSetting && name.toLowerCase().replaceAll('-', '_') === 'search_path') {
      searchPath = value.replace(/\\(.)/gs, '$1');
    } else rest.push(flag);
  }
  return { rest: rest.join(' '), searchPath };
}

/** What asks for more than the connection would have. */
function tlsProblems(parameters: URLSearchParams): readonly string[] {
  const mode = parameters.get('sslmode');
  const files = ['sslcert', 'sslkey', 'sslrootcert'].some((name) => parameters.has(name));
  const verified =
    mode === null
      ? files || ['true', '1'].includes(parameters.get('ssl') ?? '')
      : mode !== 'disable' && mode !== 'no-verify';
  const problems: string[] = [];
  for (const [name, value] of [
    ['channel_binding', 'require'],
    ['sslaccept', 'strict'],
  ] as const) {
    if (!verified && parameters.get(name) === value) {
      problems.push(`its ${name}=${value} needs TLS: add sslmode=verify-full.`);
    }
  }
  if (parameters.has('sslcert') !== parameters.has('sslkey')) {
    problems.push(
      "its sslcert and sslkey, the client's certificate and key, must be set together; the CA of the server is sslrootcert.",
    );
  }
  return problems;
}

/**
 * The problem of a parameter that is not known. A password with `?` or `&` that is not percent-encoded ends as a parameter:
 * a name without a value, or with anything but letters in it, is not repeated.
 */
function unknownParameter(name: string, values: ReadonlySet<string>): string {
  const isName = /^[A-Za-z_]{1,40}$/.test(name) && !values.has('');
  return isName
    ? `its parameter "${name}" is not known, and could change what is read: remove it (docs/operate/database.md has those that are known).`
    : 'it has a parameter that is not known (not repeated here: it may be a part of a password, in which ? and & are written %3F and %26).';
}
