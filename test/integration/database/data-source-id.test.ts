/** Two processes have the same data source id exactly if they read the same tables. */
import pg from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import type { Schema } from '../../../src/database/models.ts';
import { dataSourceId } from '../../../src/database/schema-detection.ts';
import { resolveSchema } from '../../../src/database/schema-resolution.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { startProxy, through } from '../../../tools/network/proxy.ts';
import { testDatabase } from '../../support/database.ts';

const FIELDS = ['id', 'name', 'email', 'emailVerified', 'image', 'createdAt', 'updatedAt'];
const [one, other] = [await testDatabase(), await testDatabase()];
for (const { url } of [one, other]) {
  await withClient(url, (client) => client.query(`CREATE TABLE users (${FIELDS.map((name) => `"${name}" text`)})`));
}

/** The id that a process computes which connects by this URL. */
const idBy = async (url: string): Promise<string> => {
  const ids: string[] = [];
  const directory = directoryOf(url, { onSchema: (_schema, id) => ids.push(id) });
  await directory.schema();
  await directory.end();
  return ids.join();
};
/** Another address of the same database. */
const byProxy = async (url: string): Promise<string> => {
  const proxy = await startProxy(new pg.Client({ connectionString: url }).port);
  onTestFinished(() => proxy.close());
  return through(url, proxy);
};

it('the data source id does not depend on the address of the database, and does not contain it', async () => {
  const id = await idBy(one.url);
  expect(id).toMatch(/^[\w-]{16}$/);
  expect(await idBy(await byProxy(one.url))).toBe(id);
});

it('another database of the same server has another data source id', async () => {
  expect(await idBy(other.url)).not.toBe(await idBy(one.url));
});

it("the data source id does not depend on the address if the role may not read the server's identifier", async () => {
  const allowed = await idBy(one.url);
  await withClient(one.url, async (client) => {
    await client.query('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC');
    await client.query(`CREATE ROLE "${one.name}" LOGIN PASSWORD 'secret'; GRANT SELECT ON users TO "${one.name}"`);
  });
  onTestFinished(async () => {
    await withClient(one.url, (client) => client.query(`DROP OWNED BY "${one.name}"; DROP ROLE "${one.name}"`));
  });
  const url = Object.assign(new URL(one.url), { username: one.name, password: 'secret' }).href;
  const refused = await idBy(url);
  expect(refused).not.toBe(allowed);
  expect(await idBy(url)).toBe(refused);
  expect(await idBy(await byProxy(url))).toBe(refused);
});

it('tables of another schema, or with other columns, have another data source id', () => {
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
  const ids = [schemaOf('public'), schemaOf('umbrella'), schemaOf('public', 'banned')].map((schema) =>
    dataSourceId(['server', 'database'], schema),
  );
  expect(new Set(ids).size).toBe(ids.length);
});
