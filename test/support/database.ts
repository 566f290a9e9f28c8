import { afterAll, inject } from 'vitest';
import {
  createDatabase,
  describeConnections,
  dropDatabase,
  ensureTemplateDatabase,
  openConnections,
  uniqueDatabaseName,
} from '../../tools/local-services/databases.ts';

/** A database of one test file. */
export interface TestDatabase {
  /** Of the superuser. */
  url: string;
  name: string;
}

/**
 * A database for the calling test file alone: empty, or a copy of the template of that name (see `ensureTemplate`).
 * Call it at the top of the file or of a `describe`. After its last test the database is dropped; a connection that is
 * still open then fails the file, since in the service it would be a leak.
 */
export async function testDatabase(template?: string): Promise<TestDatabase> {
  const { close, ...database } = await openTestDatabase(inject('postgresUrl'), template);
  afterAll(close);
  return database;
}

/**
 * The same for a caller that ends it explicitly.
 * @returns also `close`, which drops the database and rejects if a connection to it was still open
 */
export async function openTestDatabase(
  serverUrl: string,
  template?: string,
): Promise<TestDatabase & { close(): Promise<void> }> {
  const name = uniqueDatabaseName('test');
  const url = await createDatabase(serverUrl, name, template === undefined ? {} : { template });
  const close = async () => {
    const open = await openConnections(serverUrl, name);
    await dropDatabase(serverUrl, name, { force: true });
    if (open.length > 0) {
      throw new Error(`the tests of this file left ${describeConnections(open)}`);
    }
  };
  return { url, name, close };
}

/**
 * Builds a template for `testDatabase` once per run, whichever test file asks first; the others wait for it.
 * @param build fills the empty database behind the URL, and closes its connections
 * @returns the name
 */
export function ensureTemplate(name: string, build: (url: string) => Promise<void>): Promise<string> {
  return ensureTemplateDatabase(inject('postgresUrl'), name, build);
}
