/** What the parameters of DATABASE_URL and RELAY_DATABASE_URL mean. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadDatabaseConfig, loadRelayConfig } from '../../../src/config/command-line.ts';
import { KNOWN_PARAMETERS, parseDatabaseUrl } from '../../../src/config/database-url.ts';
import { ConfigError } from '../../../src/config/reader.ts';

const BASE = 'postgres://app:hunter2@db:5432/app';

const problemsOf = (load: () => unknown): readonly string[] => {
  try {
    load();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};
const serviceBy = (query: string, more: Readonly<Record<string, string>> = {}) =>
  loadDatabaseConfig({ DATABASE_URL: `${BASE}?${query}`, ...more });
const relayBy = (query: string) =>
  loadRelayConfig({ RELAY_DATABASE_URL: `${BASE}?${query}`, NATS_URL: 'nats://127.0.0.1' });

describe('the schema in DATABASE_URL', () => {
  it.each([
    ['schema=auth', ['auth']],
    // Prisma takes the name as it is.
    ['schema=Auth', ['Auth']],
    ['schema=a%2Cb', ['a,b']],
    ['currentSchema=auth,public', ['auth', 'public']],
    ['search_path=Auth, "Auth" ,%22$user%22,%22a%22%22b%22', ['auth', 'Auth', '$user', 'a"b']],
    ['options=-c%20search_path%3Dauth', ['auth']],
    ['options=-c search_path=auth,public', ['auth', 'public']],
    ['options=-csearch_path%3Dauth', ['auth']],
    ['options=--search-path%3Dauth%2C%5C%20public', ['auth', 'public']],
    ['options=-c%20SEARCH_PATH%3Dauth&schema=auth', ['auth']],
    ['sslmode=disable', null],
    ['options=-c%20geqo%3Doff', null],
  ])('the search path of DATABASE_URL is read from %s', (query, path) => {
    expect(serviceBy(query).searchPath).toEqual(path);
  });

  it('the schema in DATABASE_URL and parameters that pg does not know are removed from the URL for pg', () => {
    const query =
      'schema=auth&sslmode=no-verify&pgbouncer=true&connection_limit=1&options=-c%20search_path%3Dauth%20-c%20geqo%3Doff';
    const given = new URL(serviceBy(query).url).searchParams;
    expect([...given]).toEqual([
      ['sslmode', 'no-verify'],
      ['options', '-c geqo=off'],
    ]);
    expect(serviceBy('schema=auth').url).toBe(BASE);
    expect(serviceBy('options=-c%20search_path%3Dauth').url).toBe(BASE);
  });

  it('the schema in DATABASE_URL is that of ASSENT_DB_SCHEMA, or an error names both', () => {
    expect(serviceBy('schema=auth', { ASSENT_DB_SCHEMA: 'auth' }).searchPath).toEqual(['auth']);
    expect(serviceBy('', { ASSENT_DB_SCHEMA: 'auth, app' }).searchPath).toEqual(['auth', 'app']);
    expect(problemsOf(() => serviceBy('schema=auth', { ASSENT_DB_SCHEMA: 'public' }))).toEqual([
      "ASSENT_DB_SCHEMA names public and DATABASE_URL names auth: which of them has Better Auth's tables? Leave one.",
    ]);
    expect(problemsOf(() => serviceBy('', { ASSENT_DB_SCHEMA: 'auth,' }))).toHaveLength(1);
  });

  it.each(['schema=auth&currentSchema=public', 'schema=auth&options=-c%20search_path%3Dpublic', 'schema=a&schema=b'])(
    'the schema in DATABASE_URL cannot be given in two ways: %s',
    (query) => {
      expect(problemsOf(() => serviceBy(query))).toEqual([
        expect.stringMatching(/^DATABASE_URL: its? .*: leave one\.$/),
      ]);
    },
  );

  it.each(['schema=', 'search_path=', 'currentSchema=a,,b', 'options=-c%20search_path%3D%22a'])(
    'the schema in DATABASE_URL is a list of names: "%s" is refused',
    (query) => {
      expect(problemsOf(() => serviceBy(query))).toEqual([
        expect.stringMatching(/is not a list of database schemas\.$/),
      ]);
    },
  );

  it('the relay ignores the schema in DATABASE_URL: its outbox is always in the schema assent', () => {
    expect(relayBy('schema=auth').databaseUrl).toBe(BASE);
  });
});

describe.each([
  ['DATABASE_URL', serviceBy],
  ['RELAY_DATABASE_URL', relayBy],
])('the parameters of %s', (variable, load) => {
  it('a fragment of a database URL, in which parameters would be lost, is refused without its text', () => {
    for (const query of ['sslmode=disable#hunter2hunter2', 'sslmode=disable#hunter2hunter2?schema=auth', '#']) {
      const problems = problemsOf(() => load(query));
      expect(problems).toEqual([expect.stringMatching(new RegExp(`^${variable}: .*"#".*%23`))]);
      expect(problems.join()).not.toContain('hunter2');
    }
    expect(problemsOf(() => load('application_name=a%23b'))).toEqual([]);
  });

  it.each(['replication', 'dbname', 'database', 'db', 'hostaddr', 'Schema', 'sslidentity', 'sslcrl', 'service'])(
    'the parameter %s of a database URL, which pg sends or silently ignores, is refused by its name',
    (name) => {
      const problems = problemsOf(() => load(`${name}=hunter2hunter2`));
      expect(problems).toEqual([
        expect.stringMatching(new RegExp(`^${variable}: its parameter "${name}" is not known`)),
      ]);
      expect(problems.join()).not.toContain('hunter2');
    },
  );

  it.each([
    'pgbouncer=true&connection_limit=1&pool_timeout=20&connect_timeout=10&socket_timeout=5',
    'sslmode=require&sslaccept=strict',
    'sslaccept=accept_invalid_certs',
    'sslmode=require&channel_binding=require',
    'channel_binding=prefer&target_session_attrs=read-write',
    'sslmode=require&sslnegotiation=direct',
    'sslmode=require&supa=base-pooler.x&pgbouncer=true',
    'statement_timeout=0&query_timeout=0&lock_timeout=0',
    'application_name=x&client_encoding=UTF8',
    'options=endpoint%3Dep-cool-darkness',
    'host=/var/run/postgresql',
  ])('the parameter of a database URL is accepted: %s', (query) => {
    expect(problemsOf(() => load(query))).toEqual([]);
  });

  it.each([
    ['sslmode=verify_full', 'its sslmode must be one of disable, no-verify, prefer, require, verify-ca, verify-full.'],
    ['ssl=false', 'its ssl must be one of true, 1, 0, no-verify.'],
    ['client_encoding=latin1', 'its client_encoding must be one of utf8, UTF8, utf-8, UTF-8.'],
    ['target_session_attrs=standby', 'its target_session_attrs must be one of any, read-write, primary.'],
    ['channel_binding=require', 'its channel_binding=require needs TLS: add sslmode=verify-full.'],
    ['sslmode=no-verify&channel_binding=require', 'its channel_binding=require needs TLS: add sslmode=verify-full.'],
    ['sslaccept=strict', 'its sslaccept=strict needs TLS: add sslmode=verify-full.'],
    ['sslmode=require&sslmode=disable', 'it has several values of sslmode: leave one.'],
  ])('the parameter of a database URL is refused: %s', (query, problem) => {
    expect(problemsOf(() => load(query))).toEqual([`${variable}: ${problem}`]);
  });

  it('a client certificate without its key is refused in a database URL: another tool means the CA by it', () => {
    expect(parseDatabaseUrl(`${BASE}?sslcert=ca.pem`).problems).toEqual([expect.stringMatching(/sslrootcert\.$/)]);
  });

  it('a database URL with parameters for pg alone stays as it was written', () => {
    const url = 'postgres://a:p%20%C3%A4@db/app?sslmode=disable&host=%2Frun%2Fpg';
    expect(parseDatabaseUrl(url)).toEqual({ value: { url, searchPath: null }, problems: [] });
  });
});

it('docs/operate/database.md names exactly the known parameters of a database URL', () => {
  const text = readFileSync(new URL('../../../docs/operate/database.md', import.meta.url), 'utf8');
  const [, section = ''] = /^## The URL$(.*?)^## /ms.exec(text) ?? [];
  const named = section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name = '']) => name));
  expect(named.toSorted()).toEqual(KNOWN_PARAMETERS.toSorted());
});
