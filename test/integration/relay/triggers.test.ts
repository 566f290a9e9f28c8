/** The rows that the triggers write into the outbox, for every naming, and the SQL files of the package. */
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import { outboxSql } from '../../../src/ddl/outbox.ts';
import { OUTBOX_FILES } from '../../../src/ddl/usual-names.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { asLeastPrivilege, leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { withClient } from '../../../tools/local-services/databases.ts';
import { openTestDatabase } from '../../support/database.ts';
import { detect, outboxDatabase, variantOf } from '../../support/relay/outbox.ts';

const VARIANT_OF_FILE: Readonly<Record<string, string>> = {
  'outbox.sql': "by Better Auth's default names",
  'outbox-plural.sql': 'in the plural',
  'outbox-drizzle.sql': 'of Drizzle',
  'outbox-drizzle-plural.sql': 'of Drizzle in the plural',
};

it.each([...OUTBOX_FILES])(
  'the file %s of the package is the output of `npm run sql -- outbox` for its names',
  async (file, schema) => {
    const { url, close } = await openTestDatabase(inject('postgresUrl'));
    try {
      const variant = variantOf(VARIANT_OF_FILE[file] ?? '');
      await variant.migrate(url);
      expect(outboxSql(schema)).toBe(outboxSql(await detect(url, variant)));
    } finally {
      await close();
    }
  },
);

describe.each([
  "by Better Auth's default names",
  'with renamed models and fields',
  'with uuid ids',
  'in another Postgres schema',
  'of Drizzle in the plural with serial ids',
])('the outbox of tables %s', async (title) => {
  const variant = variantOf(title);
  const { pool, url } = await outboxDatabase(variant);
  const quoted = (...names: string[]) => names.map((name) => `"${name}"`).join('.');
  const table = (model: Parameters<typeof variant.table>[0]) =>
    quoted(variant.schema ?? 'public', variant.table(model));
  const column = (model: Parameters<typeof variant.table>[0], field: string) => quoted(variant.column(model, field));
  const id = {
    text: ['a', 'b', 'c'],
    uuid: [1, 2, 3].map((n) => `${n}0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`),
    serial: ['1', '2', '3'],
  };
  const [a = '', b = '', c = ''] = id[variant.ids];
  const written = async (): Promise<string[]> => {
    const { rows } = await pool.query('DELETE FROM assent.outbox RETURNING id, name, user_id, organization_id');
    return rows
      .toSorted((one, other) => Number(one.id) - Number(other.id))
      .map(({ name, user_id, organization_id }) =>
        [name, user_id, organization_id].filter((text) => text !== null).join(' '),
      );
  };
  afterEach(async () => {
    const tables = [table('member'), table('organizationRole'), table('organization'), table('user')];
    await pool.query(tables.map((name) => `DELETE FROM ${name};`).join(''));
    await written();
  });
  const user = (userId: string) =>
    pool.query(
      `INSERT INTO ${table('user')} (id, name, ${column('user', 'email')}, ${column('user', 'emailVerified')},
         ${column('user', 'createdAt')}, ${column('user', 'updatedAt')}) VALUES ($1, 'x', $2, true, now(), now())`,
      [userId, `${userId}@example.com`],
    );
  const organization = (organizationId: string) =>
    pool.query(
      `INSERT INTO ${table('organization')} (id, name, ${column('organization', 'slug')},
         ${column('organization', 'createdAt')}) VALUES ($1, 'x', $2, now())`,
      [organizationId, organizationId],
    );
  const member = (rowId: string, userId: string, organizationId: string) =>
    pool.query(
      `INSERT INTO ${table('member')} (id, ${column('member', 'userId')}, ${column('member', 'organizationId')},
         ${column('member', 'role')}, ${column('member', 'createdAt')}) VALUES ($1, $2, $3, 'member', now())`,
      [rowId, userId, organizationId],
    );
  const role = (rowId: string, organizationId: string, name: string) =>
    pool.query(
      `INSERT INTO ${table('organizationRole')} (id, ${column('organizationRole', 'organizationId')},
         ${column('organizationRole', 'role')}, ${column('organizationRole', 'permission')},
         ${column('organizationRole', 'createdAt')}) VALUES ($1, $2, $3, '{}', now())`,
      [rowId, organizationId, name],
    );

  it('the outbox gets every change that a decision depends on, in order', async () => {
    await user(a);
    await user(b);
    await organization(c);
    await member(a, a, c);
    await role(a, c, 'night');
    expect(await written()).toEqual([
      `user.updated ${a}`,
      `user.updated ${b}`,
      `organization.updated ${c}`,
      `member.added ${a} ${c}`,
      `organization_role.changed ${c}`,
    ]);
    await pool.query(`UPDATE ${table('user')} SET ${column('user', 'banned')} = true WHERE id = $1`, [a]);
    await pool.query(`UPDATE ${table('user')} SET ${column('user', 'banExpires')} = now() WHERE id = $1`, [a]);
    await pool.query(`UPDATE ${table('user')} SET ${column('user', 'role')} = 'admin'`);
    await pool.query(`UPDATE ${table('member')} SET ${column('member', 'role')} = 'admin'`);
    await pool.query(`UPDATE ${table('member')} SET ${column('member', 'userId')} = $1`, [b]);
    await pool.query(
      `UPDATE ${table('organizationRole')} SET ${column('organizationRole', 'permission')} = '{"a":[]}'`,
    );
    const events = await written();
    expect(events.slice(0, 2)).toEqual([`user.updated ${a}`, `user.updated ${a}`]);
    expect(events.slice(2, 4).toSorted()).toEqual([`user.updated ${a}`, `user.updated ${b}`]);
    expect(events[4]).toBe(`member.role_changed ${a} ${c}`);
    expect(events.slice(5, 7).toSorted()).toEqual([`member.role_changed ${a} ${c}`, `member.role_changed ${b} ${c}`]);
    expect(events.slice(7)).toEqual([`organization_role.changed ${c}`]);
  });

  it('the outbox gets cascades, but no change that was rolled back or that no decision depends on', async () => {
    await user(a);
    await organization(b);
    await member(a, a, b);
    await role(a, b, 'night');
    await written();
    await pool.query(`UPDATE ${table('user')} SET name = 'Other'`);
    await pool.query(`UPDATE ${table('member')} SET ${column('member', 'createdAt')} = now()`);
    await pool.query(`BEGIN; DELETE FROM ${table('user')}; ROLLBACK`);
    expect(await written()).toEqual([]);
    await pool.query(`DELETE FROM ${table('organization')}`);
    expect((await written()).toSorted()).toEqual([
      `member.removed ${a} ${b}`,
      `organization.deleted ${b}`,
      `organization_role.changed ${b}`,
    ]);
    await organization(b);
    await member(a, a, b);
    await written();
    await pool.query(`DELETE FROM ${table('user')}`);
    expect((await written()).toSorted()).toEqual([`member.removed ${a} ${b}`, `user.deleted ${a}`]);
    await pool.query(`TRUNCATE ${table('organization')} CASCADE`);
    expect(new Set(await written())).toEqual(new Set(['resync']));
  });

  it('the outbox gets changes of roles that may write a table and nothing else, and of sessions of bulk loaders', async () => {
    const loader = new URL(url);
    await pool.query(`DO $$ BEGIN CREATE ROLE loader_of_tests LOGIN PASSWORD 'x'; EXCEPTION
      WHEN duplicate_object OR unique_violation THEN NULL; END $$`);
    await pool.query(`GRANT USAGE ON SCHEMA ${quoted(variant.schema ?? 'public')} TO loader_of_tests;
      GRANT SELECT, INSERT, UPDATE, DELETE ON ${table('user')} TO loader_of_tests`);
    await user(a);
    await written();
    [loader.username, loader.password] = ['loader_of_tests', 'x'];
    await withClient(loader.href, async (client) => {
      await client.query(`UPDATE ${table('user')} SET ${column('user', 'banned')} = true`);
      await expect(client.query('SELECT * FROM assent.outbox')).rejects.toThrow(/permission denied/);
      await expect(
        client.query('CREATE TRIGGER x AFTER INSERT ON x EXECUTE FUNCTION assent.record_change()'),
      ).rejects.toThrow();
    });
    expect(await written()).toEqual([`user.updated ${a}`]);
    await pool.query(`BEGIN; SET LOCAL session_replication_role = replica; DELETE FROM ${table('user')}; COMMIT`);
    expect(await written()).toEqual([`user.deleted ${a}`]);
  });

  it('the outbox is the only table that the role of the relay may use', async () => {
    await withClient(leastPrivilegeUrl(url, 'assent_relay'), async (client) => {
      await client.query('DELETE FROM assent.outbox WHERE id = 0');
      for (const statement of [
        "INSERT INTO assent.outbox (name) VALUES ('resync')",
        "UPDATE assent.outbox SET name = 'x'",
        'TRUNCATE assent.outbox',
        `SELECT 1 FROM ${table('user')}`,
        `DELETE FROM ${table('member')}`,
      ]) {
        await expect(client.query(statement), statement).rejects.toThrow(/permission denied/);
      }
    });
    await withClient(leastPrivilegeUrl(url), async (client) => {
      await expect(client.query('DELETE FROM assent.outbox')).rejects.toThrow(/permission denied/);
    });
  });
});

describe('the SQL of the outbox', async () => {
  const { url, close } = await openTestDatabase(inject('postgresUrl'));
  afterAll(close);
  const USER =
    'id text, name text, email text, "emailVerified" boolean, image text, "createdAt" timestamptz, "updatedAt" timestamptz';
  await withClient(url, (client) =>
    client.query(`CREATE TABLE people (${USER}, role text, banned boolean, "banExpires" timestamptz);
      CREATE VIEW "user" AS SELECT * FROM people;
      CREATE TABLE organization (id text, name text, slug text, logo text, "createdAt" timestamptz, metadata text)
        PARTITION BY HASH (id);
      CREATE TABLE organization_0 PARTITION OF organization FOR VALUES WITH (modulus 2, remainder 0);
      CREATE TABLE organization_1 PARTITION OF organization FOR VALUES WITH (modulus 2, remainder 1);
      CREATE EXTENSION postgres_fdw;
      CREATE SERVER other FOREIGN DATA WRAPPER postgres_fdw;
      CREATE FOREIGN TABLE member (id text, "organizationId" text, "userId" text, role text, "createdAt" timestamptz)
        SERVER other`),
  );
  const directory = directoryOf(url);
  const text = outboxSql(await directory.schema().finally(() => directory.end()));

  it('the SQL of the outbox has triggers where PostgreSQL allows them, and otherwise a comment that names the tables for them', async () => {
    await asLeastPrivilege(url, text);
    expect(text).toMatch(/^-- "public"\."user" is a view, and PostgreSQL has no such triggers on views/m);
    expect(text).toMatch(
      /^-- CREATE TRIGGER assent_row AFTER INSERT OR UPDATE OR DELETE ON "public"\."people" FOR EACH ROW/m,
    );
    expect(text).toMatch(/^-- "public"\."member" is a foreign table/m);
  });

  it('the SQL of the outbox has a comment for a view that works once its column is filled in', async () => {
    const [, comment = ''] = /((?:^-- .*\n)+)/m.exec(text.slice(text.indexOf('-- "public"."user" is a view'))) ?? [];
    const filled = comment
      .split('\n')
      .slice(1)
      .map((line) => line.replace(/^-- /, ''))
      .join('\n')
      .replaceAll("<its column with the user''s id>", 'id');
    await withClient(url, async (client) => {
      await client.query(filled);
      await client.query(`INSERT INTO people (id) VALUES ('a'); UPDATE people SET banned = true`);
      const { rows } = await client.query('DELETE FROM assent.outbox RETURNING name, user_id');
      expect(rows).toEqual([
        { name: 'user.updated', user_id: 'a' },
        { name: 'user.updated', user_id: 'a' },
      ]);
    });
  });

  it('the SQL of the outbox makes partitioned tables write each change, also in sessions of bulk loaders', async () => {
    await withClient(url, async (client) => {
      await client.query(`INSERT INTO organization (id) VALUES ('a'), ('b'), ('c'), ('d')`);
      await client.query(`BEGIN; SET LOCAL session_replication_role = replica; UPDATE organization_1 SET name = 'x';
        UPDATE organization SET name = 'x'; DELETE FROM organization; COMMIT; TRUNCATE organization`);
      const { rows } = await client.query('DELETE FROM assent.outbox RETURNING name, organization_id');
      const of = (wanted: string) =>
        new Set(rows.filter(({ name }) => name === wanted).map(({ organization_id: id }) => id));
      expect(of('organization.updated')).toEqual(new Set(['a', 'b', 'c', 'd']));
      expect(of('organization.deleted')).toEqual(new Set(['a', 'b', 'c', 'd']));
      expect(of('resync').size).toBe(1);
    });
  });
});
