/**
 * The parameters of a PostgreSQL URL. pg accepts any parameter, ignores unknown ones, and sends some to the server, so the URL
 * of another tool could select another database schema. Here each parameter is known, or refused by name. Pure.
 */
import { isSamePath, parseSearchPath } from '../database/naming.ts';

/** A PostgreSQL URL with its parameters interpreted. */
export interface DatabaseUrl {
  /** For pg: without the parameters that pg would ignore, or that are applied here. */
  readonly url: string;
  /** The database schemas of the URL, in order; null when it names none. `$user` is the role's own schema. */
  readonly searchPath: readonly string[] | null;
}

interface Parsed {
  readonly value: DatabaseUrl;
  /** Each names a parameter. Values are never repeated, except the names of schemas. */
  readonly problems: readonly string[];
}

/** The accepted values; null for any. */
type Values = readonly string[] | null;

/** Parameters that pg interprets. */
const PASSED: Readonly<Record<string, Values>> = {
  host: null,
  port: null,
  user: null,
  password: null,
  application_name: null,
  fallback_application_name: null,
  // pg decodes rows as UTF-8 in any case.
  client_encoding: ['utf8', 'UTF8', 'utf-8', 'UTF-8'],
  options: null,
  // pg interprets any other text as "on".
  ssl: ['true', '1', '0', 'no-verify'],
  sslmode: ['disable', 'no-verify', 'prefer', 'require', 'verify-ca', 'verify-full'],
  sslcert: null,
  sslkey: null,
  sslrootcert: null,
  sslnegotiation: ['postgres', 'direct'],
  uselibpqcompat: ['true', 'false'],
};

/** Parameters without influence on the rows that are read, and parameters that Assent sets itself. */
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

/** Parameters that name schemas: a literal name, or a list in the syntax of PostgreSQL's `search_path`. */
const SCHEMAS: Readonly<Record<string, (text: string) => readonly string[] | null>> = {
  schema: (text) => (text === '' ? null : [text]),
  currentSchema: parseSearchPath,
  search_path: parseSearchPath,
};

/** Every parameter that is known. */
export const KNOWN_PARAMETERS: readonly string[] = Object.keys({ ...SCHEMAS, ...PASSED, ...IGNORED });

/** Interprets the parameters of a valid URL. */
export function parseDatabaseUrl(text: string): Parsed {
  const url = new URL(text);
  const parameters = url.searchParams;
  const problems: string[] = [];
  // pg drops the fragment, and with it any parameter in it. `url.hash` would miss an empty fragment.
  if (text.includes('#')) {
    problems.push(
      'it has a "#", and everything after it would be dropped: remove it, or write it as %23, as in a password.',
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
      problems.push(`its ${first[0]} names ${first[1].join(',')} and its ${from} names ${path.join(',')}: leave one.`);
    }
  }
  problems.push(...tlsProblems(parameters));
  const dropped = [...new Set(parameters.keys())].filter((name) => !(name in PASSED));
  for (const name of dropped) parameters.delete(name);
  // An unchanged URL stays as it was written, without another encoding.
  const changed = dropped.length > 0 || paths.length > 0;
  return { value: { url: changed ? url.href : text, searchPath: first?.[1] ?? null }, problems };
}

/** Removes `search_path` from the server's command-line options, which a pooler may drop silently. */
function takeSearchPath(options: string): { readonly rest: string; readonly searchPath: string | null } {
  // Words end at white space, and a backslash escapes the next character.
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

/** The problems of parameters that demand more than the connection offers. */
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
 * The problem of an unknown parameter. A password with `?` or `&` that is not percent-encoded ends as a parameter, so a name
 * without a value, or with other characters than letters, is not repeated.
 */
function unknownParameter(name: string, values: ReadonlySet<string>): string {
  const isName = /^[A-Za-z_]{1,40}$/.test(name) && !values.has('');
  return isName
    ? `its parameter "${name}" is not known, and could change what is read: remove it (docs/operate/database.md lists the known ones).`
    : 'it has a parameter that is not known (not repeated here: it may be a part of a password, in which ? and & are written %3F and %26).';
}
