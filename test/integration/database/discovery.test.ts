/** Where Better Auth's tables are looked for, on schemas as Prisma, Drizzle, Kysely and Payload make them. */
import { afterAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { parseNaming } from '../../../src/config/naming.ts';
import type { Directory } from '../../../src/database/directory.ts';
import { grantsSql } from '../../../src/ddl/grants.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { asLeastPrivilege, leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { detectionOf } from '../../support/database/reads.ts';
import { openTestDatabase, testDatabase } from '../../support/database.ts';

const USERS = (name: string, more = '') => `CREATE TABLE ${name} (id text PRIMARY KEY, name text, email text,
  "emailVerified" boolean, image text, "createdAt" timestamptz, "updatedAt" timestamptz${more});`;
const ADMIN = ', role text, banned boolean, "banReason" text, "banExpires" timestamptz';
const ORGANIZATIONS = (name: string) => `CREATE TABLE ${name} (id text PRIMARY KEY, name text, slug text, logo text,
  "createdAt" timestamptz, metadata text);`;
const MEMBERS = (name: string) => `CREATE TABLE ${name} (id text PRIMARY KEY, "organizationId" text, "userId" text,
  role text, "createdAt" timestamptz);`;
const ROLES = (name: string) => `CREATE TABLE ${name} (id text PRIMARY KEY, "organizationId" text, role text,
  permission text, "createdAt" timestamptz);`;
const SESSIONS = (name: string, more: string) =>
  `CREATE TABLE ${name} (id text PRIMARY KEY, "userId" text, ${more} text);`;

/** Detections in a database: the directory, the error, or the places of the tables that were found. */
const detections = (url: string) => {
  const open: Directory[] = [];
  const look = (naming = 'auto', searchPath: readonly string[] | null = null, by = url) => {
    const parsed = parseNaming(naming);
    expect(parsed.problems).toEqual([]);
    const alike: string[] = [];
    const directory = directoryOf(by, {
      searchPath,
      naming: parsed.value,
      onSchema: (_schema, _dataSourceId, others) => void alike.push(...others),
    });
    open.push(directory);
    return { directory, alike };
  };
  const problemOf = (...args: Parameters<typeof look>): Promise<string> => detectionOf(look(...args).directory);
  const placesOf = async (...args: Parameters<typeof look>) => {
    const { user, organizations, organizationRole, jwks } = await look(...args).directory.schema();
    const tables = [user, organizations?.organization, organizations?.member, organizationRole, jwks];
    return tables.map((table) => (table == null ? null : `${table.schema}.${table.table}`));
  };
  const end = () => Promise.all(open.map((directory) => directory.end()));
  return { look, problemOf, placesOf, end };
};

/** A database of a `describe`, with the tables that a text makes. */
const databaseWith = async (text: string) => {
  const { url, name } = await testDatabase();
  const change = (more: string) => withClient(url, (client) => client.query(more));
  await change(text);
  const { end, ...detecting } = detections(url);
  afterAll(end);
  return { url, name, change, ...detecting };
};

/** A database of one test, with the tables that a text makes. */
const openDatabase = async (text: string) => {
  const { url, close } = await openTestDatabase(inject('postgresUrl'));
  const { end, ...detecting } = detections(url);
  onTestFinished(async () => {
    await end();
    await close();
  });
  await withClient(url, (client) => client.query(text));
  return detecting;
};

/** The value of ASSENT_NAMING that an error advises. */
const settingIn = (problem: string): string => /set ASSENT_NAMING=(\S+?)\.(?: |$)/.exec(problem)?.[1] ?? 'no setting';

describe('users and organizations in two schemas', async () => {
  const { url, change, look, problemOf, placesOf } = await databaseWith(`CREATE SCHEMA auth; CREATE SCHEMA app;
    ${USERS('auth.user', ADMIN)} ${ORGANIZATIONS('app.organization')} ${MEMBERS('app.member')} ${ROLES('app."organizationRole"')}
    INSERT INTO auth.user (id, email, "createdAt", "updatedAt") VALUES ('u', 'u@example.com', now(), now());
    INSERT INTO app.organization VALUES ('o', 'Acme', 'acme', NULL, now());
    INSERT INTO app.member VALUES ('m', 'o', 'u', 'owner', now())`);
  const everywhere = ['auth.user', 'app.organization', 'app.member', 'app.organizationRole', null];

  it('tables in two schemas are found on the search path, in either order', async () => {
    expect(await placesOf('auto', ['auth', 'app'])).toEqual(everywhere);
    expect(await placesOf('auto', ['app', 'auth'])).toEqual(everywhere);
  });

  it('tables in two schemas are found on the search path of the role', async () => {
    const by = new URL(url);
    by.searchParams.set('options', '-c search_path=app,auth');
    expect(await placesOf('auto', null, by.href)).toEqual(everywhere);
  });

  it('tables are found in the schema that has the name of the role', async () => {
    const own = await databaseWith(`CREATE SCHEMA AUTHORIZATION CURRENT_USER; ${USERS('"user"')}`);
    await own.change('DO $$ BEGIN EXECUTE format(\'ALTER TABLE "user" SET SCHEMA %I\', current_user); END $$');
    expect((await own.placesOf())[0]).toBe(`${new URL(url).username}.user`);
  });

  it('an empty search path is reported as one that names no schema', async () => {
    const { name, change, problemOf: problem } = await databaseWith(USERS('"user"'));
    await change(`ALTER DATABASE ${name} SET search_path = ''`);
    const text = await problem();
    expect(text).toMatch(/search path .*names no database schema that is there/);
    expect(text).toMatch(/ASSENT_DB_SCHEMA/);
    expect(text).not.toMatch(/schema {2}|""/);
  });

  it.each([['auth'], ['app'], ['public']])(
    'an error names the tables of the other schema and a setting that works, when only %s is on the path',
    async (schema) => {
      const problem = await problemOf('auto', [schema]);
      expect(problem).toMatch(schema === 'auth' ? /"app"\."member" has its columns/ : /"auth"\."user" has its columns/);
      expect(await placesOf(settingIn(problem), [schema])).toEqual(everywhere);
    },
  );

  it('organization=off allows a search path without the tables of organizations', async () => {
    expect(await placesOf('organization=off', ['auth'])).toEqual(['auth.user', null, null, null, null]);
  });

  it('tables of two schemas are granted and read where they are', async () => {
    const naming =
      'user=auth.user,organization=app.organization,member=app.member,organizationRole=app.organizationRole';
    await asLeastPrivilege(url, grantsSql(await look(naming).directory.schema()));
    const { directory } = look(naming, null, leastPrivilegeUrl(url));
    expect(await directory.facts({ userId: 'u', organizationId: 'o' })).toMatchObject({
      organization: { status: 'present', memberRoles: ['owner'] },
    });
    expect(await directory.memberships({ userId: 'u', after: null, limit: 9 })).toHaveLength(1);
    expect(await directory.userById('u')).toMatchObject({ id: 'u' });
    expect(await directory.organizationBySlug('acme')).toMatchObject({ id: 'o' });
  });

  it('of two tables with one name the first is taken, even if only the second is granted', async () => {
    await change(`${MEMBERS('auth.member')}`);
    expect(await placesOf('auto', ['auth', 'app'])).toEqual(everywhere.with(2, 'auth.member'));
    const error = look('auto', ['auth', 'app'], leastPrivilegeUrl(url)).directory.schema();
    await expect(error).rejects.toThrow(/table "member" \(member\) does not grant this role SELECT/);
    await change('DROP TABLE auth.member');
  });
});

describe("Prisma's models without @@map", async () => {
  const { url, look } = await databaseWith(`${USERS('"User"', ADMIN)} ${ORGANIZATIONS('"Organization"')}
    ${MEMBERS('"Member"')} ${ROLES('"OrganizationRole"')}
    CREATE TABLE "Jwks" (id text, "publicKey" text, "privateKey" text, "createdAt" timestamptz);
    INSERT INTO "User" (id, banned) VALUES ('u', true);
    INSERT INTO "Organization" VALUES ('o', 'Acme', 'acme', NULL, now());
    INSERT INTO "Member" VALUES ('m', 'o', 'u', 'night', now());
    INSERT INTO "OrganizationRole" VALUES ('r', 'o', 'night', '{"door":["open"]}', now())`);

  it("the tables of Prisma's default names are found and read", async () => {
    await asLeastPrivilege(url, grantsSql(await look().directory.schema()));
    const { directory } = look('auto', null, leastPrivilegeUrl(url));
    expect(await directory.facts({ userId: 'u', organizationId: 'o' })).toMatchObject({
      user: { ban: { until: null } },
      organization: { memberRoles: ['night'], dynamicRoles: [{ role: 'night' }] },
    });
    expect((await directory.schema()).jwks?.table).toBe('Jwks');
  });
});

describe('two columns for one field', async () => {
  const { problemOf, placesOf } = await databaseWith(`
    CREATE TABLE users (id text, name text, email text, email_verified boolean, image text, "createdAt" text,
      created_at timestamp, updated_at timestamp);
    CREATE SCHEMA camel; CREATE TABLE camel.users (id text, name text, email text, "emailVerified" boolean, image text,
      "createdAt" timestamptz, created_at text, "updatedAt" timestamptz, updated_at timestamptz)`);

  it("an error names both columns with their types, and advises the one of Better Auth's type", async () => {
    const problem = await problemOf();
    expect(problem).toMatch(/has both "created_at" \(timestamp without time zone\) and "createdAt" \(text\)/);
    expect(settingIn(problem)).toBe('auto,user.createdAt=created_at');
    expect(await placesOf(settingIn(problem))).toContain('public.users');
    const other = await problemOf('auto', ['camel']);
    expect(settingIn(other)).toBe('auto,user.createdAt=createdAt,user.updatedAt=updatedAt');
    expect(await placesOf(settingIn(other), ['camel'])).toContain('camel.users');
  });
});

describe('roles in a separate table, as in Payload', async () => {
  const { url, look, problemOf, change } = await databaseWith(`
    CREATE TABLE users (id serial PRIMARY KEY, name text, email text, email_verified boolean, image text,
      created_at timestamptz, updated_at timestamptz, banned boolean, ban_reason text, ban_expires timestamptz, hash text);
    CREATE TYPE enum_users_role AS ENUM ('admin', 'user');
    CREATE TABLE users_role ("order" int, parent_id int REFERENCES users, value enum_users_role, id serial PRIMARY KEY);
    INSERT INTO users (name, email, created_at, updated_at) VALUES ('Ada', 'ada@example.com', now(), now());
    INSERT INTO users_role ("order", parent_id, value) VALUES (1, 1, 'admin'), (2, 1, 'user')`);

  it('roles in a separate table are read by the view that the error advises', async () => {
    const problem = await problemOf();
    expect(problem).toMatch(/lacks role.*its roles are in "public"\."users_role": make a view/);
    const view = /CREATE VIEW .*? t;/.exec(problem)?.[0] ?? '';
    expect(view).not.toContain('hash');
    await change(view);
    const setting = /ASSENT_NAMING=(auto,user=assent_user)\./.exec(problem)?.[1] ?? '';
    await asLeastPrivilege(url, grantsSql(await look(setting).directory.schema()));
    const { directory } = look(setting, null, leastPrivilegeUrl(url));
    expect((await directory.userById('1'))?.roles.toSorted()).toEqual(['admin', 'user']);
    expect((await directory.schema()).user.relation).toMatchObject({
      kind: 'view',
      beneath: [{ table: 'users' }, { table: 'users_role' }],
      hiddenBy: [],
    });
  });
});

describe('roles in a separate table, in a schema that the setting names, with a renamed column', async () => {
  const { problemOf, placesOf, change } =
    await databaseWith(`CREATE SCHEMA auth; CREATE TABLE auth.users (id text PRIMARY KEY,
    name text, mail text, email_verified boolean, image text, created_at timestamptz, updated_at timestamptz,
    banned boolean, ban_reason text, ban_expires timestamptz);
    CREATE TABLE auth.users_role (parent_id text, value text)`);

  it('the advised view and setting keep the schema and the renamed column', async () => {
    const problem = await problemOf('auto,user=auth.users,user.email=mail');
    await change(/CREATE VIEW .*? t;/.exec(problem)?.[0] ?? '');
    const setting = /name it with ASSENT_NAMING=(\S+?)\.? /.exec(problem)?.[1] ?? '';
    expect(setting).toBe('auto,user=auth.assent_user,user.email=mail');
    expect((await placesOf(setting))[0]).toBe('auth.assent_user');
  });
});

describe("another application's table of users on the search path", async () => {
  const { problemOf, placesOf } = await databaseWith(`CREATE TABLE users (id int PRIMARY KEY, email text, name text);
    CREATE SCHEMA auth; ${USERS('auth."user"', ADMIN)} ${ORGANIZATIONS('auth.organization')} ${MEMBERS('auth.member')}`);

  it("another application's table of users is an error that names Better Auth's tables of the other schema", async () => {
    const problem = await problemOf();
    expect(problem).toMatch(/table "users" \(user\) lacks the columns .*"auth"\."user" has its columns/);
    expect((await placesOf(settingIn(problem))).slice(0, 3)).toEqual(['auth.user', 'auth.organization', 'auth.member']);
  });

  it('a setting that names only the users of another schema is an error that names its organizations, too', async () => {
    const problem = await problemOf('auto,user=auth.user');
    expect(problem).toMatch(/\(organization\), but "auth"\."organization" has its columns/);
    expect(settingIn(problem)).toBe('auto,user=auth.user,organization=auth.organization,member=auth.member');
    expect((await placesOf('auto,user=auth.user,organization=off'))[1]).toBeNull();
  });
});

describe('half of a plugin', () => {
  const USER = USERS('"user"');
  it.each([
    [
      'organization alone',
      ORGANIZATIONS('organization'),
      /no table .*\(member\), though there is a table of organization/,
    ],
    ['member alone', MEMBERS('member'), /no table .*\(organization\), though there is a table of member/],
    [
      'dynamic roles alone',
      ROLES('"organizationRole"'),
      /\(organization\), though there is a table of organizationRole/,
    ],
    [
      'renamed tables of organizations, and sessions with an active organization',
      `${ORGANIZATIONS('tenant')} ${MEMBERS('seat')} ${SESSIONS('session', '"activeOrganizationId"')}`,
      /"public"\."seat" has its columns, though "session" has "activeOrganizationId".*ASSENT_NAMING=auto,organization=tenant,member=seat\./,
    ],
    [
      'no table of organizations, and sessions with an active organization',
      SESSIONS('sessions', 'active_organization_id'),
      /"sessions" has "active_organization_id".*ASSENT_NAMING=organization=off/,
    ],
  ])('half of the organization plugin is an error that organization=off ends: %s', async (_title, tables, expected) => {
    const database = await openDatabase(`${USER} ${tables}`);
    expect(await database.problemOf()).toMatch(expected);
    expect(await database.problemOf('organization=off')).toBe('found');
  });

  it.each([
    [
      'renamed columns of the admin plugin',
      USERS('"user"', ', rank text, "isBanned" boolean'),
      /lacks role, banned, banExpires/,
    ],
    ['no columns of the admin plugin', USERS('"user"'), /the admin plugin is in use: "session" has "impersonatedBy"/],
  ])(
    'a part of the admin plugin is an error where sessions can be impersonated: %s',
    async (_title, users, expected) => {
      const database = await openDatabase(`${users} ${SESSIONS('session', '"impersonatedBy"')}`);
      expect(await database.problemOf()).toMatch(expected);
      expect(await database.problemOf('user.role=off,user.banned=off,user.banExpires=off')).toBe('found');
    },
  );

  it('the admin plugin alone, and Better Auth without plugins, are no half of a plugin', async () => {
    const database = await openDatabase(
      `${USERS('"user"', ADMIN)} ${SESSIONS('session', '"impersonatedBy"')} CREATE SCHEMA bare; ${USERS('bare."user"')}`,
    );
    expect(await database.placesOf()).toEqual(['public.user', null, null, null, null]);
    expect(await database.placesOf('auto', ['bare'])).toEqual(['bare.user', null, null, null, null]);
  });
});

describe('another Better Auth in the database', async () => {
  const { look } = await databaseWith(`${USERS('users')} CREATE SCHEMA auth; ${USERS('auth."user"')}
    ${ORGANIZATIONS('auth.organization')} ${MEMBERS('auth.member')}
    CREATE SCHEMA gotrue; CREATE TABLE gotrue.users (id uuid, email text, role text, created_at timestamptz)`);

  it('another schema with Better Auth tables is reported, unless it does not fit or the setting names the schema', async () => {
    const found = look();
    expect((await found.directory.schema()).user.schema).toBe('public');
    expect(found.alike).toEqual(['auth']);
    const named = look('user=public.users');
    await named.directory.schema();
    expect(named.alike).toEqual([]);
  });
});

describe('row-level security', async () => {
  const { url, change, look } = await databaseWith(`${USERS('"user"', ADMIN)}
    INSERT INTO "user" (id) VALUES ('u')`);
  const hidden = async () => {
    const { directory } = look('auto', null, leastPrivilegeUrl(url));
    const { relation } = (await directory.schema()).user;
    return { hiddenBy: relation?.hiddenBy, user: (await directory.facts({ userId: 'u', organizationId: null })).user };
  };
  const present = { hiddenBy: [], user: { ban: null } };
  const absent = { hiddenBy: [{ schema: 'public', table: 'user', role: 'assent' }], user: null };

  it('row-level security that hides rows is detected, and the printed grants end it', async () => {
    const before = grantsSql(await look().directory.schema());
    expect(before).not.toContain('POLICY');
    await asLeastPrivilege(url, before);
    expect(await hidden()).toMatchObject(present);
    await change('ALTER TABLE "user" ENABLE ROW LEVEL SECURITY');
    expect(await hidden()).toMatchObject(absent);
    const after = grantsSql(await look().directory.schema());
    expect(after).toContain('CREATE POLICY assent ON "public"."user" FOR SELECT TO "assent" USING (true);');
    // Twice, since it must be possible to run it again.
    for (let run = 0; run < 2; run += 1) await asLeastPrivilege(url, after);
    expect(await hidden()).toMatchObject(present);
  });

  it.each([
    ['of another role', 'CREATE POLICY assent ON "user" TO pg_monitor USING (true)', absent],
    ['of another command', 'CREATE POLICY assent ON "user" FOR UPDATE USING (true)', absent],
    ['of all roles', 'CREATE POLICY assent ON "user" USING (true)', present],
    [
      'that restricts',
      'CREATE POLICY assent ON "user" USING (true); CREATE POLICY less ON "user" AS RESTRICTIVE USING (false)',
      absent,
    ],
  ])(
    'row-level security is judged by the policies that apply to the role: a policy %s',
    async (_title, policy, expected) => {
      await change(`DROP POLICY IF EXISTS assent ON "user"; ${policy}`);
      expect(await hidden()).toMatchObject(expected);
      await change('DROP POLICY IF EXISTS less ON "user"');
    },
  );

  it('row-level security beneath a view applies to its owner, or with security_invoker to the reading role', async () => {
    await change(
      `DROP POLICY IF EXISTS assent ON "user"; CREATE VIEW users AS TABLE "user"; GRANT SELECT ON users TO assent`,
    );
    const seen = async () => {
      const { directory } = look('plural', null, leastPrivilegeUrl(url));
      return (await directory.schema()).user.relation?.hiddenBy;
    };
    expect(await seen()).toEqual([]);
    for (const yes of ['true', 'on', '1', 'yes', 'y', 'tr', 'TRUE', 'Yes']) {
      await change(`ALTER VIEW users SET (security_invoker = ${yes})`);
      expect(await seen(), yes).toEqual([{ schema: 'public', table: 'user', role: 'assent' }]);
    }
    for (const no of ['false', 'off', '0', 'no', 'OF']) {
      await change(`ALTER VIEW users SET (security_invoker = ${no})`);
      expect(await seen(), no).toEqual([]);
    }
  });
});
