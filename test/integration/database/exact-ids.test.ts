/** Columns that equate different ids, or cannot hold the id that is looked up, in tables that Better Auth does not make. */
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { testDatabase } from '../../support/database.ts';

const { url } = await testDatabase();
const TIMES = '"createdAt" timestamptz DEFAULT now()';
const tables = (id: string, organizationId: string, memberOf: string, memberId: string): string => `
  CREATE TABLE "user" (id ${id}, name text, email ${id}, "emailVerified" boolean, image text, ${TIMES},
    "updatedAt" timestamptz DEFAULT now());
  CREATE TABLE organization (id ${organizationId}, name text, slug ${id}, logo text, metadata text, ${TIMES});
  CREATE TABLE member (id text, "organizationId" ${memberOf}, "userId" ${memberId}, role text, ${TIMES});`;

beforeAll(async () => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const text = 'text COLLATE any_case';
  await client.query(`
    CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE SCHEMA folded; SET search_path = folded, public; ${tables(text, text, text, text)}
    INSERT INTO "user" (id, name, email) VALUES ('Ada', 'Ada', 'Ada@example.com');
    INSERT INTO organization (id, name, slug) VALUES ('Acme', 'Acme', 'Acme-slug');
    INSERT INTO member ("organizationId", "userId", role) VALUES ('Acme', 'Ada', 'owner');
    CREATE SCHEMA mixed; SET search_path = mixed; CREATE DOMAIN person AS uuid;
    ${tables('text', 'integer', 'text', 'person')}
    INSERT INTO "user" (id, name, email) VALUES ('ada', 'Ada', 'ada@example.com');
    INSERT INTO organization (id, name, slug) VALUES (7, 'Acme', 'acme');

    CREATE SCHEMA members; SET search_path = members, public; ${tables('text', 'text', text, text)}
    CREATE TABLE "organizationRole" ("organizationId" ${text}, role text COLLATE "C", permission text);
    ALTER TABLE member ALTER role TYPE text COLLATE "POSIX";
    INSERT INTO "user" (id) VALUES ('Ada'), ('ADA');
    INSERT INTO organization (id) VALUES ('Acme'), ('ACME');
    INSERT INTO member ("organizationId", "userId", role) VALUES ('Acme', 'ADA', 'owner'), ('ACME', 'Ada', 'admin'),
      ('Acme', 'Ada', 'night');
    INSERT INTO "organizationRole" VALUES ('Acme', 'night', '{"door":["open"]}'), ('ACME', 'night', '{"vault":["open"]}');

    CREATE SCHEMA twice; SET search_path = twice; ${tables('text', 'text', 'text', 'text')}
    ALTER TABLE "user" ADD role text, ADD banned boolean, ADD "banExpires" timestamptz;
    INSERT INTO "user" (id, banned) VALUES ('ada', false), ('ada', true), ('bob', false)`);
  await client.end();
});

const directoryIn = (schema: string) =>
  directoryOf(url, {
    searchPath: [schema],
    naming: { tables: 'singular', renamed: new Map() },
  });

describe('a collation that ignores case', () => {
  const directory = directoryIn('folded');
  afterAll(() => directory.end());

  it('an id in another case than stored has no facts: each row has one canonical id, which an event invalidates', async () => {
    const { user, organization } = await directory.facts({ userId: 'Ada', organizationId: 'Acme' });
    expect({ user, roles: organization?.memberRoles }).toEqual({ user: { roles: [], ban: null }, roles: ['owner'] });
    expect(await directory.facts({ userId: 'ADA', organizationId: 'Acme' })).toMatchObject({ user: null });
    expect(await directory.facts({ userId: 'ADA', organizationId: null })).toEqual({ user: null, organization: null });
    expect((await directory.facts({ userId: 'Ada', organizationId: 'ACME' })).organization).toEqual({
      ...{ status: 'absent', memberRoles: null, dynamicRoles: [] },
    });
  });

  it('ids and slugs are matched by case, and e-mail addresses in any case, as by Better Auth', async () => {
    expect(await directory.userById('Ada')).toMatchObject({ id: 'Ada' });
    expect(await directory.userById('ADA')).toBeNull();
    expect(await directory.userByEmail('ADA@example.com')).toMatchObject({ id: 'Ada', email: 'Ada@example.com' });
    expect(await directory.organizationById('ACME')).toBeNull();
    expect(await directory.organizationBySlug('Acme-slug')).toMatchObject({ id: 'Acme' });
    expect(await directory.organizationBySlug('acme-SLUG')).toBeNull();
  });
});

describe('foreign keys with a collation that ignores case', () => {
  const directory = directoryIn('members');
  afterAll(() => directory.end());

  it('member rows and dynamic roles count only for the id that they contain byte for byte', async () => {
    const held = async (userId: string, organizationId: string) => {
      const { organization } = await directory.facts({ userId, organizationId });
      return [organization?.memberRoles, organization?.dynamicRoles.flatMap(({ grants }) => grants)];
    };
    expect(await held('Ada', 'Acme')).toEqual([['night'], [['door', 'open']]]);
    expect(await held('ADA', 'Acme')).toEqual([['owner'], []]);
    expect(await held('Ada', 'ACME')).toEqual([['admin'], []]);
    expect(await held('ADA', 'ACME')).toEqual([null, []]);
  });
});

describe('two users with one id', () => {
  const directory = directoryIn('twice');
  afterAll(() => directory.end());

  it('a read of facts fails for an id that two users have, as in a view or a table without its key', async () => {
    await expect(directory.facts({ userId: 'ada', organizationId: null })).rejects.toThrow(/two users have one id/i);
    expect((await directory.facts({ userId: 'bob', organizationId: null })).user).toEqual({ roles: [], ban: null });
  });
});

describe('columns of several types', () => {
  const directory = directoryIn('mixed');
  afterAll(() => directory.end());
  const absent = { status: 'absent', memberRoles: null, dynamicRoles: [] };

  it('each id column has its own type, and a domain the type below it', async () => {
    const { user, organizations } = await directory.schema();
    const { organization, member } = organizations ?? {};
    const ids = [user.columns.id, organization?.columns.id, member?.columns.organizationId, member?.columns.userId];
    expect(ids.map((column) => column?.type)).toEqual(['text', 'integer', 'text', 'uuid']);
  });

  it('an id that a column cannot hold has no member, and no cast fails', async () => {
    const user = { roles: [], ban: null };
    expect(await directory.facts({ userId: 'ada', organizationId: '7' })).toEqual({ user, organization: absent });
    const uuid = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
    expect(await directory.facts({ userId: uuid, organizationId: 'acme' })).toEqual({
      ...{ user: null, organization: absent },
    });
    expect(await directory.memberships({ userId: 'ada', after: null, limit: 1 })).toEqual([]);
    expect(await directory.organizationById('acme')).toBeNull();
  });
});
