/** Better Auth and Assent on the same tables, with column types that Better Auth does not make: both decide the same. */
import { betterAuth } from 'better-auth';
import { admin, organization } from 'better-auth/plugins';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Directory } from '../../../src/database/directory.ts';
import { SchemaError } from '../../../src/database/models.ts';
import { isBanned } from '../../../src/policy/decide.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { schemaTemplate } from '../../support/better-auth-schema.ts';
import { testDatabase } from '../../support/database.ts';

const { url } = await testDatabase(await schemaTemplate('singular'));
const pool = new pg.Pool({ connectionString: url, max: 2 });
const auth = betterAuth({
  database: pool,
  baseURL: 'http://localhost:3000',
  secret: 'a-secret-that-is-long-enough-for-tests',
  emailAndPassword: { enabled: true },
  logger: { disabled: true },
  plugins: [admin(), organization()],
});
const credentials = { email: 'ada@example.com', password: 'a long password' };
let userId = '';
let organizationId = '';
let headers = new Headers();
let directory: Directory;

beforeAll(async () => {
  const signedUp = await auth.api.signUpEmail({ body: { ...credentials, name: 'Ada' }, returnHeaders: true });
  userId = signedUp.response.user.id;
  headers = new Headers({
    cookie: signedUp.headers
      .getSetCookie()
      .map((one) => one.split(';')[0])
      .join('; '),
  });
  organizationId = (await auth.api.createOrganization({ body: { name: 'Acme', slug: 'acme' }, headers }))?.id ?? '';
  await pool.query("CREATE EXTENSION citext; CREATE DOMAIN word AS text; CREATE TYPE rank AS ENUM ('owner')");
  // Foreign keys would refuse another type.
  const { rows } = await pool.query<{ drop: string }>(
    `SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop FROM pg_constraint WHERE contype = 'f'`,
  );
  for (const { drop } of rows) await pool.query(drop);
});
beforeEach(() => {
  directory = directoryOf(url);
  return () => directory.end();
});
afterAll(() => pool.end());

it.each([
  ['text[]', 'ARRAY[role]'],
  ['json', 'to_json(role)'],
  ['jsonb', 'role::jsonb'],
])('a member has the same roles for Better Auth and Assent from a column of type %s', async (type, using) => {
  await pool.query(`ALTER TABLE member ALTER role TYPE ${type} USING ${using}`);
  const permissions = { organization: ['delete' as const] };
  const answer = await auth.api.hasPermission({ body: { organizationId, permissions }, headers });
  expect(answer).toMatchObject({ success: true });
  expect((await directory.facts({ userId, organizationId })).organization?.memberRoles).toEqual(['owner']);
});

it.each([
  ['rank[]', "'{owner}'"],
  ['word[]', "'{owner}'"],
  ['citext[]', "'{owner}'"],
  ['text[]', "'{NULL,owner}'"],
  ['json', `'[1,"owner"]'`],
])('the role value of %s %s makes no owner, for Better Auth and Assent', async (type, value) => {
  await pool.query(`ALTER TABLE member DROP role, ADD role ${type}`);
  await pool.query(`UPDATE member SET role = ${value}`);
  const permissions = { organization: ['delete' as const] };
  const isAllowed = await auth.api.hasPermission({ body: { organizationId, permissions }, headers }).then(
    ({ success }) => success,
    () => false,
  );
  expect(isAllowed).toBe(false);
  const roles = await directory.facts({ userId, organizationId }).then(
    ({ organization: facts }) => facts?.memberRoles,
    (error: unknown) => (error instanceof SchemaError ? [] : error),
  );
  expect(roles).toEqual([]);
  await pool.query("ALTER TABLE member DROP role, ADD role text DEFAULT 'owner'");
});

it.each([
  ['boolean', 'NULL', 'timestamptz', 'NULL', false],
  ['smallint', '0', 'text', 'NULL', false],
  ['smallint', '1', 'timestamptz', 'NULL', true],
  ['integer', '1', 'text', "'2099-01-01T00:00:00.000Z'", true],
  ['integer', '1', 'text', "'2020-01-01T00:00:00.000Z'", false],
  ['integer', '1', 'date', "'2020-01-01'", false],
  ['boolean', 'true', 'text', "'soon'", true],
  ['boolean', 'true', 'text', "''", true],
  ['boolean', 'true', 'bigint', "'4070908800000'", true],
  // Seconds.
  ['boolean', 'true', 'bigint', "'1577836800'", true],
])(
  'Better Auth and Assent agree on the ban of %s %s with the end %s %s',
  async (banned, value, expires, end, isHeld) => {
    await pool.query(
      `ALTER TABLE "user" DROP banned, DROP "banExpires", ADD banned ${banned}, ADD "banExpires" ${expires}`,
    );
    await pool.query(`UPDATE "user" SET banned = ${value}, "banExpires" = ${end}`);
    const { user } = await directory.facts({ userId, organizationId: null });
    expect(isBanned(user?.ban ?? null, Date.now())).toBe(isHeld);
    // Better Auth lifts a ban that has ended by writing a boolean, which an integer column refuses. That error is no ban.
    const refused = await auth.api.signInEmail({ body: credentials }).then(
      () => false,
      (error: unknown) => /banned/i.test(String(error)),
    );
    expect(refused).toBe(isHeld);
  },
);

it('banned as a bigint is refused: Better Auth would ban all users', async () => {
  await pool.query('ALTER TABLE "user" DROP banned, ADD banned bigint DEFAULT 0');
  await expect(auth.api.signInEmail({ body: credentials })).rejects.toThrow(/banned/);
  await expect(directory.facts({ userId, organizationId: null })).rejects.toThrow(SchemaError);
  await pool.query('ALTER TABLE "user" DROP banned, ADD banned boolean');
});

it('Better Auth and Assent find a citext e-mail address in any case', async () => {
  await pool.query(`ALTER TABLE "user" ALTER email TYPE citext;
    UPDATE "user" SET email = 'Ada@Example.com'`);
  const { internalAdapter } = await auth.$context;
  for (const email of ['ada@example.com', 'ADA@EXAMPLE.COM']) {
    expect((await internalAdapter.findUserByEmail(email))?.user.id).toBe(userId);
    expect((await directory.userByEmail(email))?.id).toBe(userId);
  }
});

it('Better Auth and Assent list organizations by foreign keys of another type', async () => {
  const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
  await pool.query('UPDATE organization SET id = $1', [uuid]);
  await pool.query('UPDATE member SET "organizationId" = $1', [uuid]);
  await pool.query('ALTER TABLE organization ALTER id TYPE uuid USING id::uuid');
  expect((await auth.api.listOrganizations({ headers })).map(({ id }) => id)).toEqual([uuid]);
  const memberships = await directory.memberships({ userId, after: null, limit: 5 });
  expect(memberships.map((one) => one.organization.id)).toEqual([uuid]);
});
