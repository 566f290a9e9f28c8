/** Every read against every schema, as the least-privilege role that `npm run sql -- grants` prints for it. */
import { randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseNaming } from '../../../src/config/naming.ts';
import type { Directory } from '../../../src/database/directory.ts';
import { grantsSql } from '../../../src/ddl/grants.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { asLeastPrivilege, leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import type { Model } from '../../support/database/drizzle.ts';
import { detectionOf } from '../../support/database/reads.ts';
import { VARIANTS, type Variant } from '../../support/database/variants.ts';
import { testDatabase } from '../../support/database.ts';

/** Writes a row as Better Auth would; returns its id as text. */
const createInsert =
  (pool: pg.Pool, { schema, table, column, ids }: Variant) =>
  async (model: Model, row: Readonly<Record<string, unknown>>): Promise<string> => {
    const id = ids === 'text' ? { id: randomBytes(16).toString('hex') } : ids === 'uuid' ? { id: randomUUID() } : {};
    const entries = Object.entries({ ...id, ...row });
    const names = entries.map(([field]) => pg.escapeIdentifier(column(model, field)));
    const { rows } = await pool.query(
      `INSERT INTO ${pg.escapeIdentifier(schema ?? 'public')}.${pg.escapeIdentifier(table(model))} (${names.join(', ')})
       VALUES (${names.map((_, index) => `$${index + 1}`).join(', ')})
       RETURNING ${pg.escapeIdentifier(column(model, 'id'))}::text AS id`,
      entries.map(([, value]) => value),
    );
    return String(rows[0]?.id);
  };

const directoryBy = (url: string, { naming, schema }: Pick<Variant, 'naming' | 'schema'>, bad: unknown[] = []) => {
  const parsed = parseNaming(naming);
  expect(parsed.problems).toEqual([]);
  return directoryOf(url, {
    size: 2,
    searchPath: schema === null ? null : [schema],
    naming: parsed.value,
    onFault: (error) => bad.push(error),
    onBadRole: (organizationId, count) => bad.push([organizationId, count]),
  });
};

describe.each(VARIANTS)('tables $title', async (variant) => {
  const { url, name } = await testDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const insert = createInsert(pool, variant);
  const bad: unknown[] = [];
  let directory: Directory;
  const created = '2026-01-02T03:04:05.678Z';
  const at = Date.parse(created);
  let user = '';
  const organizations: string[] = [];

  beforeAll(async () => {
    // No value may depend on the time zone of the session.
    await pool.query(`ALTER DATABASE ${name} SET TimeZone = 'Pacific/Chatham'`);
    await variant.migrate(url);
    const owner = directoryBy(url, variant);
    await asLeastPrivilege(url, grantsSql(await owner.schema()));
    await owner.end();
    directory = directoryBy(leastPrivilegeUrl(url), variant, bad);
    user = await insert('user', {
      ...{ name: 'Ada', email: 'ada@example.com', emailVerified: true, createdAt: created, updatedAt: created },
      ...{ role: 'user,support', banned: true, banReason: 'spam', banExpires: '2030-05-06T07:08:09.123Z' },
    });
    for (const slug of ['one', 'two', 'three']) {
      const organization = await insert('organization', { name: slug, slug, createdAt: created, metadata: '{"a":1}' });
      organizations.push(organization);
      await insert('member', { organizationId: organization, userId: user, role: 'staff, night', createdAt: created });
    }
    const [organizationId] = organizations;
    await insert('member', { organizationId, userId: user, role: 'admin', createdAt: '2026-03-01T00:00:00Z' });
    await insert('organizationRole', {
      organizationId,
      role: 'night',
      permission: '{"door":["open"]}',
      createdAt: created,
    });
    await insert('organizationRole', { organizationId, role: 'night', permission: '{"door":', createdAt: created });
    const key = { publicKey: '{"kty":"OKP"}', privateKey: 'secret', createdAt: created };
    await insert('jwks', { ...key, expiresAt: '2031-01-01T00:00:00.000Z', alg: 'EdDSA', crv: 'Ed25519' });
  });
  afterAll(async () => {
    await directory.end();
    await pool.end();
  });

  it('a user is read by id and by e-mail address', async () => {
    const expected = {
      ...{ id: user, name: 'Ada', email: 'ada@example.com', emailVerified: true, image: null },
      ...{ roles: ['user', 'support'], ban: { until: Date.parse('2030-05-06T07:08:09.123Z') }, banReason: 'spam' },
      ...{ createdAt: at, updatedAt: at },
    };
    expect(await directory.userById(user)).toEqual(expected);
    expect(await directory.userByEmail('ADA@example.com')).toEqual(expected);
  });

  it('an organization is read by id and by slug', async () => {
    const [id = ''] = organizations;
    const expected = { id, name: 'one', slug: 'one', logo: null, metadata: '{"a":1}', createdAt: at };
    expect(await directory.organizationById(id)).toEqual(expected);
    expect(await directory.organizationBySlug('one')).toEqual(expected);
  });

  it('the memberships of a user are read page by page', async () => {
    const first = await directory.memberships({ userId: user, after: null, limit: 2 });
    const second = await directory.memberships({ userId: user, after: first[1]?.organization.id ?? '', limit: 2 });
    expect([first.length, second.length]).toEqual([2, 1]);
    const all = [...first, ...second];
    expect(all.map(({ organization }) => organization.id).toSorted()).toEqual(organizations.toSorted());
    const one = all.find(({ organization }) => organization.id === organizations[0]);
    expect(one?.joinedAt).toBe(at);
    expect(one?.roles.toSorted()).toEqual(['admin', 'night', 'staff']);
  });

  it('facts have the ban, the roles of all member rows, and the dynamic roles without an unreadable one', async () => {
    const [organizationId = ''] = organizations;
    const facts = await directory.facts({ userId: user, organizationId });
    expect(facts.user).toEqual({ roles: ['user', 'support'], ban: { until: Date.parse('2030-05-06T07:08:09.123Z') } });
    expect(facts.organization).toMatchObject({
      status: 'present',
      dynamicRoles: [{ role: 'night', grants: [['door', 'open']] }],
    });
    expect(facts.organization?.memberRoles?.toSorted()).toEqual(['admin', 'night', 'staff']);
    expect(bad.splice(0)).toEqual([[organizationId, 1]]);
  });

  it('the public keys are read', async () => {
    const keys = await directory.jwks();
    expect(keys).toEqual([
      {
        ...{ id: expect.any(String), publicKey: '{"kty":"OKP"}', alg: 'EdDSA', crv: 'Ed25519' },
        expiresAt: Date.parse('2031-01-01T00:00:00.000Z'),
      },
    ]);
  });

  it.each(['nobody', '7', '007', '-1', '2147483648', '9'.repeat(30), '\0', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'])(
    'no read finds anything by the id %j',
    async (id) => {
      expect(await directory.userById(id)).toBeNull();
      expect(await directory.organizationById(id)).toBeNull();
      expect(await directory.memberships({ userId: id, after: null, limit: 9 })).toEqual([]);
      expect(await directory.memberships({ userId: user, after: `${id}x`, limit: 0 })).toEqual([]);
      expect(await directory.facts({ userId: id, organizationId: organizations[0] ?? '' })).toMatchObject({
        user: null,
      });
      expect((await directory.facts({ userId: user, organizationId: id })).organization).toMatchObject({
        status: 'absent',
        memberRoles: null,
      });
      expect(bad.splice(0)).toEqual([]);
    },
  );
});

describe('plugins that are off, and tables with faults', async () => {
  const { url } = await testDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  const [singular] = VARIANTS;
  if (singular === undefined) throw new Error('there is no variant');
  const open: Directory[] = [];
  const look = (naming = 'auto', by = leastPrivilegeUrl(url)) => {
    const directory = directoryBy(by, { naming, schema: null });
    open.push(directory);
    return directory;
  };
  beforeAll(async () => {
    await singular.migrate(url);
    const owner = look('auto', url);
    await asLeastPrivilege(url, grantsSql(await owner.schema()));
    await createInsert(pool, singular)('user', {
      ...{ id: 'u1', name: 'Ada', email: 'ada@example.com', emailVerified: true, updatedAt: new Date() },
      ...{ role: 'admin', banned: true },
    });
  });
  afterAll(async () => {
    await Promise.all(open.map((directory) => directory.end()));
    await pool.end();
  });

  it('a missing grant is reported, and never taken for a plugin that is off', async () => {
    await pool.query('REVOKE SELECT (banned, "banExpires") ON "user" FROM assent');
    await pool.query('REVOKE ALL ON "member", "organizationRole" FROM assent');
    await pool.query('REVOKE SELECT ("id", "organizationId", "userId", "role", "createdAt") ON member FROM assent');
    const problem = await detectionOf(look());
    expect(problem).toMatch(/table "user" \(user\) does not grant this role SELECT on banned, banExpires/);
    expect(problem).toMatch(/table "member" \(member\) does not grant this role SELECT on id, organizationId/);
    await pool.query('GRANT SELECT (banned, "banExpires") ON "user" TO assent; GRANT SELECT ON "member" TO assent');
    expect(await detectionOf(look())).toMatch(
      /"organizationRole" \(organizationRole\) does not grant this role SELECT/,
    );
    await pool.query('GRANT SELECT ON "organizationRole" TO assent');
    expect(await detectionOf(look())).toBe('found');
  });

  it('a missing USAGE on the schema is reported as missing grants', async () => {
    await pool.query('REVOKE USAGE ON SCHEMA public FROM PUBLIC, assent');
    expect(await detectionOf(look())).toMatch(/table "user" \(user\) does not grant this role SELECT on id, name/);
    await pool.query('GRANT USAGE ON SCHEMA public TO PUBLIC, assent');
    expect(await detectionOf(look())).toBe('found');
  });

  it('a JWKS table without any grant has no keys, and one with a part of the grants is an error', async () => {
    await pool.query('REVOKE SELECT ON jwks FROM assent');
    await pool.query('REVOKE SELECT (id, "publicKey", "expiresAt", alg, crv) ON jwks FROM assent');
    const directory = look();
    expect((await directory.schema()).jwks).toBeNull();
    expect(await directory.jwks()).toEqual([]);
    await pool.query('GRANT SELECT (id, "publicKey") ON jwks TO assent');
    expect(await detectionOf(look())).toMatch(/"jwks" \(jwks\) does not grant this role SELECT on alg, crv, expiresAt/);
  });

  it('one error names everything that is missing', async () => {
    const naming = 'auto,user=nobody,member.role=ranks,organizationRole=none';
    const problem = await detectionOf(look(naming, url));
    expect(problem).toMatch(/no table "nobody" \(user\)/);
    expect(problem).toMatch(/table "member" \(member\) lacks the columns ranks/);
    expect(problem).toMatch(/no table "none" \(organizationRole\)/);
    expect(problem).toMatch(/ASSENT_NAMING/);
  });

  it('a table of a plugin can be turned off, and the table of users cannot', async () => {
    const schema = await look('auto,organizationRole=off,jwks=off', url).schema();
    expect(schema).toMatchObject({ organizationRole: null, jwks: null });
    expect(await detectionOf(look('auto,user=off', url))).toMatch(/no table "off" \(user\)/);
  });

  it('two tables that fit one model are an error that names the setting', async () => {
    await pool.query('CREATE TABLE users (LIKE "user")');
    expect(await detectionOf(look('auto', url))).toMatch(
      /both "users" and "user" look like user: .*ASSENT_NAMING=user=/,
    );
    expect(await detectionOf(look('auto,user=user', url))).toBe('found');
    expect(await detectionOf(look('singular', url))).toBe('found');
    await pool.query('DROP TABLE users');
  });

  it.each(['role', 'banned', 'banExpires'])(
    'a renamed column of the admin plugin (%s) is an error, and never taken for a plugin that is off',
    async (column) => {
      const renamed = async (from: string, to: string) => {
        await pool.query(`ALTER TABLE "user" RENAME ${pg.escapeIdentifier(from)} TO ${pg.escapeIdentifier(to)}`);
      };
      await renamed(column, 'other');
      expect(await detectionOf(look('auto', url))).toMatch(
        `table "user" (user) has only some of the admin plugin's columns, and lacks ${column}`,
      );
      expect(await detectionOf(look(`auto,user.${column}=other`, url))).toBe('found');
      await renamed('other', column);
    },
  );

  it('two columns that fit one field are an error that names the setting', async () => {
    await pool.query('ALTER TABLE member ADD user_id text');
    expect(await detectionOf(look('auto', url))).toMatch(
      /table "member" \(member\) has both "userId" \(text\) and "user_id" \(text\).*ASSENT_NAMING=auto,member\.userId=userId\./,
    );
    expect(await detectionOf(look('auto,member.userId=userId', url))).toBe('found');
    await pool.query('ALTER TABLE member DROP user_id');
  });

  it('a materialized view does not count as a table, and a view does', async () => {
    await pool.query('ALTER TABLE "user" RENAME TO all_users; CREATE MATERIALIZED VIEW "user" AS TABLE all_users');
    expect(await detectionOf(look('auto', url))).toMatch(/no table "users" or "user" \(user\)/);
    await pool.query('DROP MATERIALIZED VIEW "user"; CREATE VIEW "user" AS TABLE all_users');
    expect(await detectionOf(look('auto', url))).toBe('found');
    await pool.query('DROP VIEW "user"; ALTER TABLE all_users RENAME TO "user"');
  });

  it("a role column without the rest of the admin plugin is the application's own, and no user is banned", async () => {
    await pool.query(
      'CREATE SCHEMA own; CREATE TABLE own.users (LIKE "user"); ALTER TABLE own.users DROP banned, DROP "banReason", DROP "banExpires"',
    );
    const directory = directoryBy(url, { naming: 'auto', schema: 'own' });
    open.push(directory);
    expect(Object.keys((await directory.schema()).user.columns)).toContain('role');
  });

  it('without the admin plugin no user is banned, and without the organization plugin organizations are off', async () => {
    await pool.query('ALTER TABLE "user" DROP role, DROP banned, DROP "banReason", DROP "banExpires"');
    await pool.query('DROP TABLE member, "organizationRole", invitation, jwks, organization');
    await pool.query(
      'ALTER TABLE session DROP "impersonatedBy", DROP "activeOrganizationId", DROP IF EXISTS "activeTeamId"',
    );
    const directory = look();
    const organization = { status: 'disabled', memberRoles: null, dynamicRoles: [] };
    expect(await directory.facts({ userId: 'u1', organizationId: 'o1' })).toEqual({
      user: { roles: [], ban: null },
      organization,
    });
    expect(await directory.userById('u1')).toMatchObject({ id: 'u1', roles: [], ban: null, banReason: null });
    expect(await directory.organizationBySlug('o1')).toBeNull();
    expect(await directory.memberships({ userId: 'u1', after: null, limit: 1 })).toEqual([]);
    expect(await directory.jwks()).toEqual([]);
  });

  it('a table of members without one of organizations is an error', async () => {
    await pool.query(
      'CREATE TABLE member (id text, "organizationId" text, "userId" text, role text, "createdAt" timestamptz)',
    );
    expect(await detectionOf(look('auto', url))).toMatch(
      /no table .* \(organization\), though there is a table of member/,
    );
  });
});
