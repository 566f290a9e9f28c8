import { randomBytes } from 'node:crypto';
import pg from 'pg';

/** The URL of another database of the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${encodeURIComponent(name)}`;
  return url.href;
}

/** A name that no other database has: `prefix_` and 12 random characters. */
export function uniqueDatabaseName(prefix: string): string {
  return `${prefix}_${randomBytes(6).toString('hex')}`;
}

/** Runs `work` with one connection, closed afterwards. */
export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'assent-test-support' });
  // A server that goes away breaks an idle connection; a waiting query fails by itself.
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/**
 * Creates a database, empty or as a copy of `template`, to which no client may be connected.
 * @param serverUrl a superuser's URL of any other database of the server
 * @returns the new database's URL
 */
export async function createDatabase(
  serverUrl: string,
  name: string,
  options: { template?: string } = {},
): Promise<string> {
  const template = pg.escapeIdentifier(options.template ?? 'template0');
  await withClient(serverUrl, (client) =>
    client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)} TEMPLATE ${template}`),
  );
  return databaseUrl(serverUrl, name);
}

/** Drops a database if it exists; `force` ends the connections to it, which otherwise make it fail. */
export async function dropDatabase(serverUrl: string, name: string, options: { force?: boolean } = {}): Promise<void> {
  const force = options.force === true ? ' WITH (FORCE)' : '';
  await withClient(serverUrl, (client) => client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(name)}${force}`));
}

/** A client's connection to a database. */
export interface OpenConnection {
  pid: number;
  applicationName: string;
  state: string | null;
  /** Its latest statement. */
  query: string;
}

const closingMs = 2000;
const pollMs = 20;

/**
 * The connections that clients keep to a database. A server process ends a moment after its client has closed the
 * connection, so only those count that are still there after 2 s.
 */
export async function openConnections(serverUrl: string, name: string): Promise<OpenConnection[]> {
  return withClient(serverUrl, async (client) => {
    const deadline = performance.now() + closingMs;
    for (;;) {
      const { rows } = await client.query<OpenConnection>(
        `SELECT pid, application_name AS "applicationName", state, query FROM pg_stat_activity
         WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
        [name],
      );
      if (rows.length === 0 || performance.now() > deadline) {
        return rows;
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  });
}

/**
 * Builds a template database once per server, however many test files ask for it at once: the first builds, the others
 * wait. A build that failed leaves nothing, and the next caller tries again.
 * @param serverUrl the superuser's URL of the database `postgres`; the lock counts only among users of the same database
 * @param build fills the empty database behind the URL, and closes its connections
 * @returns the name, for `createDatabase(..., { template })`
 */
export async function ensureTemplateDatabase(
  serverUrl: string,
  name: string,
  build: (url: string) => Promise<void>,
): Promise<string> {
  const unfinished = `${name}_unfinished`;
  await withClient(serverUrl, async (client) => {
    // Released with the session, so that a test process that dies while building blocks no other process.
    await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [name]);
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 1) {
      return;
    }
    await dropDatabase(serverUrl, unfinished, { force: true });
    await build(await createDatabase(serverUrl, unfinished));
    const open = await openConnections(serverUrl, unfinished);
    if (open.length > 0) {
      throw new Error(`building the template ${name} left ${describeConnections(open)}`);
    }
    await client.query(`ALTER DATABASE ${pg.escapeIdentifier(unfinished)} RENAME TO ${pg.escapeIdentifier(name)}`);
  });
  return name;
}

/** For an error's message: how many connections, whose, and what they ran last. */
export function describeConnections(open: readonly OpenConnection[]): string {
  const each = open.map(({ applicationName, state, query }) => `${applicationName || '?'} (${state}): ${query}`);
  return `${open.length} connection(s) open:\n  ${each.join('\n  ')}`;
}
