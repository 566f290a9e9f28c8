/** What is read has one name in all processes that read it, and no other has that name. */
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import type { Schema } from '../../../src/database/models.ts';
import { resolveSchema } from '../../../src/database/naming.ts';
import { originOf } from '../../../src/database/origin.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { testDatabase } from '../../support/database.ts';

const FIELDS = ['id', 'name', 'email', 'emailVerified', 'image', 'createdAt', 'updatedAt'];
const [one, other] = [await testDatabase(), await testDatabase()];
for (const { url } of [one, other]) {
  await withClient(url, (client) => client.query(`CREATE TABLE users (${FIELDS.map((name) => `"${name}" text`)})`));
}

/** The name that a process finds which reads by this way. */
const foundBy = async (url: string): Promise<string> => {
  const found: string[] = [];
  const directory = directoryOf(url, { onSchema: (_schema, origin) => found.push(origin) });
  await directory.schema();
  await directory.end();
  return found.join();
};
/** Another way to the same database. */
const byProxy = async (url: string): Promise<string> => {
  const proxy = await startProxy(new pg.Client({ connectionString: url }).port);
  onTestFinished(() => proxy.close());
  return through(url, proxy);
};

it('is the same whatever the way, and says nothing of it', async () => {
  const origin = await foundBy(one.url);
  expect(origin).toMatch(/^[\w-]{16}$/);
  expect(await foundBy(await byProxy(one.url))).toBe(origin);
});

it('is another one for another database of the same server', async () => {
  expect(await foundBy(other.url)).not.toBe(await foundBy(one.url));
});

it('is the same whatever the way where the role may not ask for the identifier of the server', async () => {
  const allowed = await foundBy(one.url);
  await withClient(one.url, async (client) => {
    await client.query('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC');
    await client.query(`CREATE ROLE "${one.name}" LOGIN PASSWORD 'secret'; GRANT SELECT ON users TO "${one.name}"`);
  });
  onTestFinished(async () => {
    await withClient(one.url, (client) => client.query(`DROP OWNED BY "${one.name}"; DROP ROLE "${one.name}"`));
  });
  const url = Object.assign(new URL(one.url), { username: one.name, password: 'secret' }).href;
  const refused = await foundBy(url);
  expect(refused).not.toBe(allowed);
  expect(await foundBy(url)).toBe(refused);
  expect(await foundBy(await byProxy(url))).toBe(refused);
});

it('is another one for another schema, and for tables with other columns', () => {
  const schemaOf = (name: string, ...more: readonly string[]): Schema =>
    resolveSchema(
      [name],
      [...FIELDS, ...more].map((column) => ({
        ...{ schema: name, table: 'users', column, type: 'text' },
        ...{ kind: 'text' as const, typeSchema: 'pg_catalog', length: null, collation: null },
        ...{ deterministic: true, readable: true },
      })),
      { tables: 'auto', renamed: new Map() },
    );
  const origins = [schemaOf('public'), schemaOf('umbrella'), schemaOf('public', 'banned')].map((schema) =>
    originOf(['server', 'database'], schema),
  );
  expect(new Set(origins).size).toBe(origins.length);
});
