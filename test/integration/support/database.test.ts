import pg from 'pg';
import { describe, expect, inject, it } from 'vitest';
import { uniqueDatabaseName, withClient } from '../../../tools/local-services/databases.ts';
import { ensureTemplate, openTestDatabase, testDatabase } from '../../support/database.ts';

const database = await testDatabase();

async function databaseNames(prefix: string): Promise<string[]> {
  const { rows } = await withClient(inject('postgresUrl'), (client) =>
    client.query<{ datname: string }>('SELECT datname FROM pg_database WHERE starts_with(datname, $1)', [prefix]),
  );
  return rows.map((row) => row.datname);
}

describe('a test database', () => {
  it('a test database is empty without a template', async () => {
    const { rows } = await withClient(database.url, (client) =>
      client.query(
        `SELECT current_database() AS name, count(*)::int AS tables FROM pg_tables WHERE schemaname = 'public'`,
      ),
    );
    expect(rows).toEqual([{ name: database.name, tables: 0 }]);
  });

  it('a test database is gone when closed', async () => {
    const { name, close } = await openTestDatabase(inject('postgresUrl'));
    expect(await databaseNames(name)).toEqual([name]);
    await close();
    expect(await databaseNames(name)).toEqual([]);
  });

  it('a test database reports a connection that was left open, and is removed all the same', async () => {
    const { name, url, close } = await openTestDatabase(inject('postgresUrl'));
    const client = new pg.Client({ connectionString: url, application_name: 'leak' });
    client.on('error', () => {});
    await client.connect();
    await client.query('SELECT 42 AS leaked');
    await expect(close()).rejects.toThrow(/1 connection\(s\) open:\n {2}leak \(idle\): SELECT 42 AS leaked/);
    expect(await databaseNames(name)).toEqual([]);
    await client.end();
  });
});

describe('a template', () => {
  it('a template is built once for concurrent requests, and each copy is separate', async () => {
    const name = uniqueDatabaseName('template');
    let builds = 0;
    const build = async (url: string) => {
      builds += 1;
      await withClient(url, (client) => client.query('CREATE TABLE things AS SELECT 1 AS thing'));
    };
    const copies = await Promise.all(
      Array.from({ length: 5 }, async () => {
        await ensureTemplate(name, build);
        return openTestDatabase(inject('postgresUrl'), name);
      }),
    );
    expect(builds).toBe(1);
    const [one, two] = copies;
    await withClient(one?.url ?? '', (client) => client.query('INSERT INTO things VALUES (2)'));
    const { rowCount } = await withClient(two?.url ?? '', (client) => client.query('SELECT * FROM things'));
    expect(rowCount).toBe(1);
    await Promise.all(copies.map((copy) => copy.close()));
  });

  it('a template whose build failed is built again at the next request', async () => {
    const name = uniqueDatabaseName('template');
    const failing = ensureTemplate(name, async (url) => {
      await withClient(url, (client) => client.query('CREATE TABLE half AS SELECT 1 AS thing'));
      throw new Error('half built');
    });
    await expect(failing).rejects.toThrow('half built');
    await ensureTemplate(name, (url) =>
      withClient(url, async (client) => void (await client.query('CREATE TABLE half ()'))),
    );
    expect(await databaseNames(name)).toEqual([name]);
  });

  it('a template whose build leaves a connection open is refused', async () => {
    const name = uniqueDatabaseName('template');
    const left: pg.Client[] = [];
    const building = ensureTemplate(name, async (url) => {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      left.push(client);
      await client.connect();
    });
    await expect(building).rejects.toThrow(/left 1 connection/);
    await Promise.all(left.map((client) => client.end()));
  });
});
