import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Directory } from '../../../src/database/directory.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { schemaTemplate } from '../../support/better-auth-schema.ts';
import { testDatabase } from '../../support/database.ts';
import { createSeed, PLURAL, type Seed, SINGULAR } from '../../support/seed.ts';

const naming = { tables: 'auto', renamed: new Map() } as const;
const HOSTILE = [
  "'; DROP TABLE users; --",
  '\0',
  'a\0b',
  '‮',
  '😀',
  '%',
  '_',
  '\\',
  '$1',
  '"',
  '\uFFFD',
  '__proto__',
  'x'.repeat(8_000),
];

describe.each([
  ['plural', PLURAL],
  ['singular', SINGULAR],
] as const)('reads of the %s schema', async (name, tables) => {
  const database = await testDatabase(await schemaTemplate(name));
  const pool = new pg.Pool({ connectionString: database.url });
  const seed: Seed = createSeed(pool, tables);
  const faults: unknown[] = [];
  const bad: [string, number][] = [];
  let directory: Directory;
  beforeAll(() => {
    directory = directoryOf(database.url, {
      size: 4,
      naming,
      onFault: (error) => faults.push(error),
      onBadRole: (organizationId, count) => bad.push([organizationId, count]),
    });
  });
  afterAll(async () => {
    await directory.end();
    await pool.end();
    expect(faults).toEqual([]);
  });
  const facts = (userId: string, organizationId: string | null) => directory.facts({ userId, organizationId });

  it('all tables are found', async () => {
    const schema = await directory.schema();
    expect(schema.user.table).toBe(tables.user);
    expect(schema.organizations?.member.table).toBe(tables.member);
    expect(schema.organizations?.organization.table).toBe(tables.organization);
    expect(schema.jwks?.table).toBe('jwks');
    expect(schema.organizationRole?.table).toBe('organizationRole');
  });

  it('the facts of a member have the roles of all member rows, the platform roles and the ban', async () => {
    const until = new Date('2030-01-01T00:00:00.123Z');
    const user = await seed.user({ role: 'user,support', banned: true, banExpires: until });
    const organization = await seed.organization();
    await seed.member(user, organization, 'staff, viewer,,');
    await seed.member(user, organization, 'admin,staff');
    const read = await facts(user, organization);
    expect(read.user).toEqual({ roles: ['user', 'support'], ban: { until: until.getTime() } });
    expect(read.organization?.status).toBe('present');
    expect(read.organization?.memberRoles?.toSorted()).toEqual(['admin', 'staff', 'viewer']);
  });

  it('facts distinguish a non-member, an unknown user and an unknown organization', async () => {
    const user = await seed.user();
    const organization = await seed.organization();
    expect((await facts(user, organization)).organization).toMatchObject({ status: 'present', memberRoles: null });
    expect((await facts('nobody', organization)).user).toBeNull();
    expect((await facts(user, 'nowhere')).organization).toMatchObject({ status: 'absent', memberRoles: null });
    expect(await facts(user, null)).toEqual({ user: { roles: [], ban: null }, organization: null });
  });

  it('a member row without a role makes a member without roles', async () => {
    const user = await seed.user();
    const organization = await seed.organization();
    await seed.member(user, organization, '');
    expect((await facts(user, organization)).organization?.memberRoles).toEqual([]);
  });

  it('only the first 65536 characters of the roles of a row count, and a name that is cut off there does not', async () => {
    const user = await seed.user();
    const organization = await seed.organization();
    // Cut off, the last name would be `admin`. Members of an organization can repeat a role as often as they like.
    const row = `staff,${','.repeat(65_536 - 'staff,admin'.length)}administrator,owner`;
    await seed.member(user, organization, row);
    const other = await seed.organization();
    await seed.member(user, other, row.slice(0, row.indexOf('istrator')));
    expect((await facts(user, organization)).organization?.memberRoles).toEqual(['staff']);
    expect((await facts(user, other)).organization?.memberRoles).toEqual(['staff', 'admin']);
    const memberships = await directory.memberships({ userId: user, after: null, limit: 2 });
    expect(new Map(memberships.map((one) => [one.organization.id, one.roles]))).toEqual(
      new Map([
        [organization, ['staff']],
        [other, ['staff', 'admin']],
      ]),
    );
  });

  it('banned NULL is no ban, and an infinite end is a ban without end', async () => {
    expect((await facts(await seed.user({ banned: null }), null)).user?.ban).toBeNull();
    const forever = await seed.user({ banned: true });
    expect((await facts(forever, null)).user?.ban).toEqual({ until: null });
    await pool.query(`UPDATE "${tables.user}" SET "banExpires" = 'infinity' WHERE id = $1`, [forever]);
    expect((await facts(forever, null)).user?.ban).toEqual({ until: null });
    expect((await directory.userById(forever))?.ban).toEqual({ until: null });
  });

  it('facts have exactly the dynamic roles that the member holds, and unreadable ones are counted', async () => {
    const user = await seed.user();
    const organization = await seed.organization();
    await seed.member(user, organization, 'night,__proto__,broken');
    const role = (name: string, permission: string) =>
      pool.query(
        `INSERT INTO "organizationRole" (id, "organizationId", role, permission, "createdAt") VALUES (gen_random_uuid()::text, $1, $2, $3, now())`,
        [organization, name, permission],
      );
    for (let index = 0; index < 120; index += 1) await role(`other${index}`, '{"a":["b"]}');
    await role('night', '{"door":["open","__proto__"]}');
    await role('night', '{"gate":["open"]}');
    await role('__proto__', '{"__proto__":["read"]}');
    await role('broken', '{"door":"open"}');
    await role('nigh', '{"vault":["open"]}');
    const { organization: read } = await facts(user, organization);
    expect(read?.dynamicRoles).toHaveLength(3);
    expect(read?.dynamicRoles).toEqual(
      expect.arrayContaining([
        {
          role: 'night',
          grants: [
            ['door', 'open'],
            ['door', '__proto__'],
          ],
        },
        { role: 'night', grants: [['gate', 'open']] },
        { role: '__proto__', grants: [['__proto__', 'read']] },
      ]),
    );
    expect(bad).toEqual([[organization, 1]]);
  });

  it('a user is found by id, and by e-mail address in any case', async () => {
    const id = await seed.user({ email: `${name}@example.com`, role: null, banReason: 'spam', banned: true });
    const user = await directory.userById(id);
    expect(user).toMatchObject({
      id,
      email: `${name}@example.com`,
      roles: [],
      ban: { until: null },
      banReason: 'spam',
    });
    expect(Math.abs((user?.createdAt ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(await directory.userByEmail(`${name.toUpperCase()}@Example.com`)).toEqual(user);
    expect(await directory.userById('nobody')).toBeNull();
    expect(await directory.userByEmail('nobody@example.com')).toBeNull();
  });

  it('an organization is found by id and by slug, with its metadata as stored', async () => {
    const metadata = '{"b": 1,  "a":"x"}';
    const id = await seed.organization({ slug: `acme-${name}`, metadata });
    const organization = await directory.organizationById(id);
    expect(organization).toMatchObject({ id, slug: `acme-${name}`, metadata, logo: null });
    expect(await directory.organizationBySlug(`acme-${name}`)).toEqual(organization);
    expect(await directory.organizationBySlug(`ACME-${name}`)).toBeNull();
  });

  it('memberships are listed page by page, in order, each organization once', async () => {
    const user = await seed.user();
    const ids: string[] = [];
    for (let index = 0; index < 7; index += 1) {
      const organization = await seed.organization({ id: `page-${name}-${index}` });
      ids.push(organization);
      await seed.member(user, organization, 'viewer', new Date(2_000 + index));
    }
    await seed.member(user, ids[3] ?? '', 'admin', new Date(1_000));
    const first = await directory.memberships({ userId: user, after: null, limit: 4 });
    const second = await directory.memberships({ userId: user, after: ids[3] ?? '', limit: 4 });
    expect([...first, ...second].map(({ organization }) => organization.id)).toEqual(ids);
    expect(first[3]).toMatchObject({ joinedAt: 1_000 });
    expect(first[3]?.roles.toSorted()).toEqual(['admin', 'viewer']);
    expect(await directory.memberships({ userId: 'nobody', after: null, limit: 4 })).toEqual([]);
  });

  it('memberships of deleted organizations are skipped and never end the list early', async () => {
    const user = await seed.user();
    const there: string[] = [];
    for (const [index, state] of [...'-o--o-ooo---o--'].entries()) {
      const id = `${state === 'o' ? 'there' : 'gone'}-${name}`;
      const organization = await seed.organization({ id: `orphans-${String(index).padStart(2, '0')}-${id}` });
      await seed.member(user, organization, 'viewer');
      await seed.member(user, organization, 'staff');
      if (state === 'o') there.push(organization);
    }
    // As in a database without the foreign key.
    await pool.query(`BEGIN; SET LOCAL session_replication_role = replica;
      DELETE FROM "${tables.organization}" WHERE id LIKE 'orphans-%-gone-${name}'; COMMIT`);
    for (let limit = 1; limit <= there.length + 1; limit += 1) {
      const pages: string[][] = [];
      for (let after: string | null = null; ; after = pages.at(-1)?.at(-1) ?? null) {
        const page = await directory.memberships({ userId: user, after, limit });
        pages.push(page.map(({ organization }) => organization.id));
        if (page.length < limit) break;
      }
      expect({ limit, listed: pages.flat() }).toEqual({ limit, listed: there });
    }
  });

  it.each(HOSTILE)('no read finds anything, or fails, for the hostile text %j', async (text) => {
    const user = await seed.user();
    expect(await facts(text, text)).toMatchObject({ user: null });
    expect(await facts(user, text)).toMatchObject({ organization: { status: 'absent' } });
    expect(await directory.userById(text)).toBeNull();
    expect(await directory.userByEmail(text)).toBeNull();
    expect(await directory.organizationById(text)).toBeNull();
    expect(await directory.organizationBySlug(text)).toBeNull();
    expect(await directory.memberships({ userId: text, after: text, limit: 1 })).toEqual([]);
  });
});
