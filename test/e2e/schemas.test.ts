/** The service as a process, on tables that are not those of the main case. */
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import { grantsSql } from '../../src/ddl/grants.ts';
import { type ServingAssent, startAssent } from '../../tools/assent/assent-process.ts';
import { directoryOf } from '../../tools/assent/directory.ts';
import { asLeastPrivilege, leastPrivilegeUrl } from '../../tools/assent/least-privilege.ts';
import { withClient } from '../../tools/local-services/index.ts';
import { TEST_SECRET } from '../support/application.ts';
import { startAssentUntil } from '../support/assent.ts';
import { drizzleTables } from '../support/database/drizzle.ts';
import { testDatabase } from '../support/database.ts';
import { outboxDatabase, variantOf } from '../support/relay/outbox.ts';

const call = async ({ httpUrl }: ServingAssent, method: string, body: object): Promise<unknown> => {
  const response = await fetch(`${httpUrl}/assent.auth.v1.AuthService/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
};

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Starts the service; it ends after the tests of its `describe`. */
const start = (environment: Readonly<Record<string, string>>): Promise<ServingAssent> =>
  startAssentUntil(afterAll, { BETTER_AUTH_SECRET: TEST_SECRET, ...environment });

describe('serial ids, by Drizzle in the plural', async () => {
  const { url, pool } = await outboxDatabase(variantOf('of Drizzle in the plural with serial ids'));
  await pool.query(`
    INSERT INTO users (id, name, email) VALUES (7, 'Ada', 'ada@example.com');
    INSERT INTO organizations (id, name, slug, created_at) VALUES (8, 'Acme', 'acme', '2026-01-02T03:04:05Z');
    INSERT INTO members (organization_id, user_id, role, created_at) VALUES (8, 7, 'owner', now())`);
  const assent = await start({ DATABASE_URL: url, ASSENT_JWKS: 'off' });
  const check = (userId: string, organizationId: string) =>
    call(assent, 'CheckPermission', { userId, organizationId, permission: 'member:create' });

  it('the service with serial ids answers for existing ids', async () => {
    expect(await check('7', '8')).toMatchObject({ allowed: true, reason: 'REASON_ROLE_GRANTS' });
    expect(await call(assent, 'GetUser', { userId: '7' })).toMatchObject({
      user: { id: '7', email: 'ada@example.com' },
    });
    expect(await call(assent, 'GetOrganization', { slug: 'acme' })).toMatchObject({
      organization: { id: '8', createdAt: '2026-01-02T03:04:05Z' },
    });
    expect(await call(assent, 'ListUserOrganizations', { userId: '7' })).toMatchObject({
      memberships: [{ organization: { id: '8' }, roles: ['owner'] }],
    });
  });

  it.each(['abc', '9'.repeat(25), '07', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'])(
    'the service takes %s, which a column of serial ids cannot hold, for an unknown id',
    async (id) => {
      expect(await check(id, '8')).toMatchObject({ reason: 'REASON_USER_NOT_FOUND' });
      expect(await check('7', id)).toMatchObject({ reason: 'REASON_ORGANIZATION_NOT_FOUND' });
      expect(await call(assent, 'GetUser', { userId: id })).toMatchObject({ code: 'not_found' });
      expect(await call(assent, 'GetOrganization', { organizationId: id })).toMatchObject({ code: 'not_found' });
      expect(await call(assent, 'ListUserOrganizations', { userId: id })).toMatchObject({ memberships: [] });
    },
  );
});

describe('old tables in public, live ones in the schema that DATABASE_URL names', async () => {
  const { url } = await testDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  await pool.query('CREATE SCHEMA auth');
  for (const [schema, banned] of [
    ['public', false],
    ['auth', true],
  ] as const) {
    await pool.query(`SET search_path = ${schema}`);
    await pool.query(drizzleTables((model) => snakeCase(model), 'text'));
    await pool.query(
      `INSERT INTO "user" (id, name, email, banned) VALUES ('u1', 'Ada', 'ada@example.com', ${banned});
      INSERT INTO organization (id, name, slug, created_at) VALUES ('o1', 'Acme', 'acme', now());
      INSERT INTO member (id, organization_id, user_id, role, created_at) VALUES ('m1', 'o1', 'u1', 'owner', now())`,
    );
  }
  await pool.end();

  it.each(['schema=auth', 'currentSchema=auth', 'search_path=auth', 'options=-c%20search_path%3Dauth'])(
    'the service denies a banned member in live tables beside old ones: %s',
    async (query) => {
      const assent = await startAssent({
        BETTER_AUTH_SECRET: TEST_SECRET,
        ...{ DATABASE_URL: `${url}?${query}&pgbouncer=true`, ASSENT_JWKS: 'off' },
      });
      const asked = { userId: 'u1', organizationId: 'o1', permission: 'member:create' };
      const answer = await call(assent, 'CheckPermission', asked).finally(() => assent.stop());
      expect(answer).toMatchObject({ reason: 'REASON_USER_BANNED' });
    },
  );
});

describe('tables that the service may not read completely', async () => {
  const { url } = await testDatabase();
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  for (const schema of ['public', 'old']) {
    await pool.query(`CREATE SCHEMA IF NOT EXISTS ${schema}; SET search_path = ${schema}`);
    await pool.query(drizzleTables((model) => snakeCase(model), 'text'));
  }
  await pool.query('ALTER TABLE public.member ENABLE ROW LEVEL SECURITY; DROP TABLE public.jwks');
  await pool.end();
  const owner = directoryOf(url, { searchPath: ['public'] });
  const found = await owner.schema().finally(() => owner.end());
  await asLeastPrivilege(url, grantsSql(found));
  await withClient(url, (client) => client.query('DROP POLICY assent ON public.member'));
  const assent = await startAssent({ DATABASE_URL: leastPrivilegeUrl(url), BETTER_AUTH_URL: 'http://localhost:3000' });
  afterAll(() => assent.stop());
  const logged = (event: string) => assent.logged((line) => line['event'] === event);

  it('the log warns by name of hidden rows, of other tables that match, and of missing keys', async () => {
    expect(await logged('database.rows_hidden')).toMatchObject({
      level: 40,
      table: 'public.member',
      sql: [expect.stringContaining('CREATE POLICY assent ON "public"."member" FOR SELECT TO "assent" USING (true);')],
    });
    expect(await logged('database.tables_alike')).toMatchObject({ level: 40, schemas: ['old'] });
    expect(await logged('database.keys_absent')).toMatchObject({ level: 40 });
  });
});

describe('Better Auth without any plugin', async () => {
  const { url } = await testDatabase();
  const pool = new pg.Pool({ connectionString: url });
  const { runMigrations } = await getMigrations(
    betterAuth({ database: pool, secret: TEST_SECRET, baseURL: 'http://localhost:3000' }).options,
  );
  await runMigrations();
  await pool.query(`INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
    VALUES ('u1', 'Ada', 'ada@example.com', true, now(), now())`);
  await pool.end();
  const assent = await start({ DATABASE_URL: url, BETTER_AUTH_URL: 'http://localhost:3000' });

  it('the start logs the missing tables', async () => {
    const found = await assent.logged(({ event }) => event === 'database.tables_found');
    expect(found).toMatchObject({
      member: 'none: every organization check is denied',
      organizationRole: 'none: no dynamic roles',
      jwks: expect.stringContaining('only HS256 tokens verify'),
      bans: 'none: no user is banned',
    });
  });

  it('with Better Auth without plugins every organization check is denied with its reason, and no user is banned', async () => {
    const asked = { userId: 'u1', permission: 'member:create' };
    expect(await call(assent, 'CheckPermission', { ...asked, organizationId: 'o1' })).toMatchObject({
      reason: 'REASON_ORGANIZATIONS_NOT_ENABLED',
    });
    expect(await call(assent, 'CheckPermission', { ...asked, platform: {} })).toMatchObject({
      reason: 'REASON_ROLE_LACKS_PERMISSION',
    });
    expect(await call(assent, 'GetUser', { email: 'ada@example.com' })).toMatchObject({
      user: { id: 'u1', banned: false, roles: ['user'] },
    });
    expect(await call(assent, 'GetOrganization', { slug: 'acme' })).toMatchObject({ code: 'not_found' });
    expect(await call(assent, 'ListUserOrganizations', { userId: 'u1' })).toMatchObject({ memberships: [] });
  });
});
