/**
 * Every column that Assent reads, with every type that applications give it: the result of each read, and the types that are
 * refused at the start. Assent reads every database that Better Auth works on.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Directory } from '../../../src/database/directory.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { detectionOf } from '../../support/database/reads.ts';
import { testDatabase } from '../../support/database.ts';

const { url } = await testDatabase();
const run = (text: string) => withClient(url, (client) => client.query(text));
let schemas = 0;

/** Columns of the tables by model and field, each with its type and the SQL of its value. */
type Columns = Readonly<Record<string, readonly [type: string, value: string]>>;

const AT = "'2026-01-02T03:04:05.678Z'";
const at = Date.parse('2026-01-02T03:04:05.678Z');
const END = "'2099-05-06T07:08:09.123Z'";
const end = Date.parse('2099-05-06T07:08:09.123Z');
const TIME = ['timestamptz', AT] as const;

const PLAIN: Columns = {
  'user.id': ['text', "'u1'"],
  'user.name': ['text', "'Ada'"],
  'user.email': ['text', "'ada@example.com'"],
  'user.emailVerified': ['boolean', 'true'],
  'user.image': ['text', 'NULL'],
  'user.createdAt': TIME,
  'user.updatedAt': TIME,
  'user.role': ['text', "'user'"],
  'user.banned': ['boolean', 'false'],
  'user.banReason': ['text', 'NULL'],
  'user.banExpires': ['timestamptz', 'NULL'],
  'organization.id': ['text', "'o1'"],
  'organization.name': ['text', "'Acme'"],
  'organization.slug': ['text', "'acme'"],
  'organization.logo': ['text', 'NULL'],
  'organization.metadata': ['text', 'NULL'],
  'organization.createdAt': TIME,
  'member.id': ['text', "'m1'"],
  'member.organizationId': ['text', "'o1'"],
  'member.userId': ['text', "'u1'"],
  'member.role': ['text', "'staff'"],
  'member.createdAt': TIME,
  'organizationRole.organizationId': ['text', "'o1'"],
  'organizationRole.role': ['text', "'night'"],
  'organizationRole.permission': ['text', `'{"door":["open"]}'`],
  'jwks.id': ['text', "'k1'"],
  'jwks.publicKey': ['text', `'{"kty":"OKP"}'`],
  'jwks.expiresAt': ['timestamptz', 'NULL'],
};

/** Types that applications define. */
beforeAll(() =>
  run(`
    CREATE EXTENSION citext;
    CREATE TYPE rank AS ENUM ('staff', 'night', 'owner', 'user', 'admin');
    CREATE DOMAIN short AS varchar(100); CREATE DOMAIN shorter AS short; CREATE DOMAIN ranks AS text[];
    CREATE DOMAIN shorts AS shorter[]; CREATE DOMAIN flag AS smallint; CREATE DOMAIN moment AS bigint;
    CREATE DOMAIN mail AS citext; CREATE DOMAIN price AS numeric(12,3)`),
);

/** A directory of new tables with one row each, {@link PLAIN} except for some columns. */
const directoryWith = async (columns: Columns, unreadable: string[] = [], parameters = ''): Promise<Directory> => {
  schemas += 1;
  const schema = `s${schemas}`;
  const byTable = Map.groupBy(Object.entries({ ...PLAIN, ...columns }), ([field]) => field.split('.')[0] ?? '');
  const tables = [...byTable].map(([table, fields]) => {
    const names = fields.map(([field]) => `"${field.split('.')[1]}"`);
    return `CREATE TABLE "${table}" (${fields.map(([, [type]], index) => `${names[index]} ${type}`).join(', ')});
      INSERT INTO "${table}" VALUES (${fields.map(([, [, value]]) => value).join(', ')});`;
  });
  await run(`CREATE SCHEMA ${schema}; SET search_path = ${schema}, public; ${tables.join('\n')}`);
  return directoryOf(`${url}${parameters}`, {
    searchPath: [schema],
    naming: { tables: 'singular', renamed: new Map() },
    onUnreadable: (field) => unreadable.push(field),
  });
};

/** The results of all reads for the one user, organization, membership and key, by these ids. */
const readAll = async (directory: Directory, userId = 'u1', organizationId = 'o1') => {
  try {
    const facts = await directory.facts({ userId, organizationId });
    const [membership] = await directory.memberships({ userId, after: null, limit: 2 });
    return {
      user: await directory.userById(userId),
      platform: (await directory.facts({ userId, organizationId: null })).user,
      facts,
      organization: await directory.organizationById(organizationId),
      membership,
      keys: await directory.jwks(),
    };
  } finally {
    await directory.end();
  }
};

const LISTS = [
  ['text[]', '\'{owner,"night, staff"}\''],
  ['varchar(20)[]', "'{owner,night,staff}'"],
  ['char(20)[]', "'{owner,night,staff}'"],
  ['ranks', "'{owner,night,staff}'"],
  ['json', `'["owner", "night,staff"]'`],
  ['jsonb', `'["owner", "night,staff"]'`],
  ['jsonb', `'"owner,night,staff"'`],
  ['json', `'["\\u006fwner", "ni\\u0067ht", "staff"]'`],
  ['citext', "'owner,night,staff'"],
  ['varchar(100)', "'owner,night,staff'"],
  ['char(100)', "'owner,night,staff'"],
  ['shorter', "'owner,night,staff'"],
] as const;

describe('the roles of a member', () => {
  it.each(LISTS)('the roles of a member are read from %s: %s', async (type, value) => {
    const { facts, membership } = await readAll(await directoryWith({ 'member.role': [type, value] }));
    expect(facts.organization).toEqual({
      status: 'present',
      memberRoles: ['owner', 'night', 'staff'],
      dynamicRoles: [{ role: 'night', grants: [['door', 'open']] }],
    });
    expect(membership?.roles).toEqual(['owner', 'night', 'staff']);
  });

  it.each([
    ['rank', "'owner'", ['owner'], 0],
    ['text', 'NULL', [], 0],
    ['text[]', 'NULL', [], 0],
    ['text[]', "'{}'", [], 0],
    ['jsonb', 'NULL', [], 0],
    ['jsonb', "'null'", [], 0],
    ['text[]', "'{owner,NULL}'", [], 2],
    ['text[]', "'{{owner},{admin}}'", [], 2],
    ['jsonb', `'["staff", {"role": "owner"}]'`, [], 2],
    ['jsonb', `'{"owner": true}'`, [], 2],
    ['json', `'["\\ud800"]'`, [], 2],
  ] as const)(
    'the roles of a member from %s %s are %j, with %i reports of an unreadable value',
    async (type, value, roles, reports) => {
      const unreadable: string[] = [];
      const { facts, membership } = await readAll(await directoryWith({ 'member.role': [type, value] }, unreadable));
      expect(facts.organization?.memberRoles).toEqual(roles);
      expect(membership?.roles).toEqual(roles);
      // One report by the facts and one by the list.
      expect(unreadable).toEqual(Array(reports).fill('member.role'));
    },
  );

  it('a dynamic role is found if JSON escapes its name in the roles of the member', async () => {
    const name = '"ni\\ght"\n\u{1f511}';
    const { facts } = await readAll(
      await directoryWith({
        'member.role': ['text[]', `ARRAY[E'"ni\\\\ght"\\n\u{1f511}']`],
        'organizationRole.role': ['text', `E'"ni\\\\ght"\\n\u{1f511}'`],
      }),
    );
    expect(facts.organization?.memberRoles).toEqual([name]);
    expect(facts.organization?.dynamicRoles).toEqual([{ role: name, grants: [['door', 'open']] }]);
  });
});

it('facts are read by a session with standard_conforming_strings off', async () => {
  const { facts } = await readAll(
    await directoryWith(
      { 'member.role': ['json', `'["night"]'`] },
      [],
      '?options=-c%20standard_conforming_strings%3Doff',
    ),
  );
  expect(facts.organization?.dynamicRoles).toEqual([{ role: 'night', grants: [['door', 'open']] }]);
});

describe('the platform roles of a user', () => {
  it.each(LISTS)('the platform roles of a user are read from %s: %s', async (type, value) => {
    const { user, platform } = await readAll(await directoryWith({ 'user.role': [type, value] }));
    const roles = user?.roles.map((role) => role.trim());
    expect(roles).toEqual(['owner', 'night', 'staff']);
    expect(platform?.roles).toEqual(user?.roles);
  });

  it.each([
    ['rank', "'admin'", ['admin'], 0],
    ['rank', 'NULL', [], 0],
    ['text[]', 'NULL', [], 0],
    ['jsonb', "'null'", [], 0],
    // These must not become the default role.
    ['text[]', "'{}'", [','], 0],
    ['jsonb', "'{}'", [','], 3],
    ['jsonb', `'[7, "user"]'`, [','], 3],
  ] as const)('the platform roles of a user from %s %s are %j', async (type, value, roles, reports) => {
    const unreadable: string[] = [];
    const { user, platform, facts } = await readAll(await directoryWith({ 'user.role': [type, value] }, unreadable));
    expect([user?.roles, platform?.roles, facts.user?.roles]).toEqual([roles, roles, roles]);
    expect(unreadable).toEqual(Array(reports).fill('user.role'));
  });
});

describe('a ban', () => {
  it.each([
    ['boolean', 'true', true],
    ['boolean', 'false', false],
    ['boolean', 'NULL', false],
    ['smallint', '1', true],
    ['smallint', '0', false],
    ['integer', '1', true],
    ['integer', '-1', true],
    ['integer', '0', false],
    ['integer', 'NULL', false],
    ['flag', '1', true],
    ['flag', '0', false],
  ] as const)('a user with banned of type %s and the value %s is banned: %s', async (type, value, banned) => {
    const { user, facts, platform } = await readAll(await directoryWith({ 'user.banned': [type, value] }));
    const ban = banned ? { until: null } : null;
    expect([user?.ban, facts.user?.ban, platform?.ban]).toEqual([ban, ban, ban]);
  });

  it.each([
    ['timestamptz', END, end],
    ['timestamp', END, end],
    ['date', END, Date.parse('2099-05-06')],
    ['bigint', String(end), end],
    ['bigint', '946684800000', Date.parse('2000-01-01')],
    ['bigint', '253402300799999', Date.parse('9999-12-31T23:59:59.999Z')],
    ['moment', String(end), end],
    ['text', END, end],
    ['varchar(50)', "'2099-05-06 07:08:09.123+00'", end],
    ['text', "'2099-05-06 09:08:09.123+02'", end],
    ['text', "'2099-05-06T09:38:09.123+0230'", end],
    ['text', "'2099-05-06 07:08:09.123'", end],
    ['text', "'2099-05-06'", Date.parse('2099-05-06')],
    ['text', "'Wed May 06 2099 09:08:09 GMT+0200 (Central European Summer Time)'", end - 123],
    ['text', "'Wed, 06 May 2099 07:08:09 GMT'", end - 123],
    // Better Auth takes these for no end, too.
    ['bigint', '0', null],
    ['text', "''", null],
    ['text', 'NULL', null],
    ['timestamptz', "'infinity'", null],
    ['text', "'infinity'", null],
    ['date', "'infinity'", null],
  ] as const)('the end of a ban is read from %s %s', async (type, value, until) => {
    const unreadable: string[] = [];
    const columns: Columns = { 'user.banned': ['boolean', 'true'], 'user.banExpires': [type, value] };
    const { user, facts } = await readAll(await directoryWith(columns, unreadable));
    expect([user?.ban, facts.user?.ban]).toEqual([{ until }, { until }]);
    expect(unreadable).toEqual([]);
  });

  // Seconds, microseconds, and times outside of this age.
  it.each(['1577836800', '4070908800', '-1', '1', '946684799999', '253402300800000', '9223372036854775807'])(
    'a ban whose end is the bigint %s, no plausible number of milliseconds, has no end and is reported',
    async (value) => {
      const unreadable: string[] = [];
      const columns: Columns = { 'user.banned': ['boolean', 'true'], 'user.banExpires': ['bigint', value] };
      const { user, facts } = await readAll(await directoryWith(columns, unreadable));
      expect([user?.ban, facts.user?.ban]).toEqual([{ until: null }, { until: null }]);
      expect(unreadable).toEqual(Array(3).fill('user.banExpires'));
    },
  );

  it.each(['soon', 'room 7', '2020', '1577836800000', '2020-13-01', '  ', '01/02/2020'])(
    'a ban whose end %j cannot be read has no end and is reported',
    async (text) => {
      const unreadable: string[] = [];
      const columns: Columns = { 'user.banned': ['boolean', 'true'], 'user.banExpires': ['text', `'${text}'`] };
      const { user, facts } = await readAll(await directoryWith(columns, unreadable));
      expect([user?.ban, facts.user?.ban]).toEqual([{ until: null }, { until: null }]);
      expect(unreadable).toEqual(Array(3).fill('user.banExpires'));
    },
  );
});

describe('a time that no decision needs', () => {
  it.each([
    ['timestamp', AT, at],
    ['date', AT, Date.parse('2026-01-02')],
    ['bigint', String(at), at],
    ['moment', String(at), at],
    ['text', AT, at],
    ['citext', AT, at],
    ['shorter', AT, at],
    ['char(40)', AT, at],
    ['timestamptz', 'NULL', null],
    ['bigint', 'NULL', null],
    ['text', 'NULL', null],
    ['text', "''", null],
    ['text', "'yesterday'", null],
    ['timestamptz', "'infinity'", Number.POSITIVE_INFINITY],
  ] as const)('a time is read from %s %s, or is absent', async (type, value, expected) => {
    const time = [type, value] as const;
    const unreadable: string[] = [];
    const fields = ['user.createdAt', 'user.updatedAt', 'organization.createdAt', 'member.createdAt'];
    const { user, organization, membership } = await readAll(
      await directoryWith(Object.fromEntries(fields.map((field) => [field, time])), unreadable),
    );
    expect([user?.createdAt, user?.updatedAt, organization?.createdAt]).toEqual([expected, expected, expected]);
    expect([membership?.joinedAt, membership?.organization.createdAt]).toEqual([expected, expected]);
    expect(new Set(unreadable)).toEqual(new Set(value === "'yesterday'" ? fields : []));
  });

  it('the time of joining is the earliest readable one of the member rows', async () => {
    const directory = await directoryWith({ 'member.createdAt': ['text', "'2026-03-01'"] });
    await run(`INSERT INTO s${schemas}.member ("organizationId", "userId", role, "createdAt")
      VALUES ('o1', 'u1', 'night', 'once'), ('o1', 'u1', 'owner', '2026-02-01'), ('o1', 'u1', 'owner', NULL)`);
    const { membership } = await readAll(directory);
    expect(membership?.joinedAt).toBe(Date.parse('2026-02-01'));
    expect(membership?.roles.toSorted()).toEqual(['night', 'owner', 'staff']);
  });
});

describe('two organizations with one id', () => {
  it('two organizations with one id fail a read of facts, and are listed once', async () => {
    const directory = await directoryWith({});
    await run(`INSERT INTO s${schemas}.organization (id, name, slug) VALUES ('o1', 'Other', 'other'), ('o2', 'Beta', 'beta');
      INSERT INTO s${schemas}.member ("organizationId", "userId", role) VALUES ('o2', 'u1', 'owner')`);
    await expect(directory.facts({ userId: 'u1', organizationId: 'o1' })).rejects.toThrow(
      /^Two organizations have one id/,
    );
    const listed = await directory.memberships({ userId: 'u1', after: null, limit: 2 });
    expect(listed.map((one) => one.organization.id)).toEqual(['o1', 'o2']);
    await directory.end();
  });
});

describe('whether an address is verified', () => {
  it.each([
    ['boolean', 'NULL', false],
    ['integer', '1', true],
    ['smallint', '0', false],
    ['bigint', '1', true],
    // The form of NextAuth.
    ['timestamp', AT, true],
    ['timestamptz', AT, true],
    ['date', 'NULL', false],
    ['text', "'true'", true],
    ['text', "'false'", false],
    ['text', 'NULL', false],
  ] as const)('emailVerified is read from %s %s', async (type, value, verified) => {
    const { user } = await readAll(await directoryWith({ 'user.emailVerified': [type, value] }));
    expect(user?.emailVerified).toBe(verified);
  });
});

describe('an e-mail address', () => {
  it('an e-mail address that is NULL is empty', async () => {
    const { user } = await readAll(await directoryWith({ 'user.email': ['text', 'NULL'] }));
    expect(user).toMatchObject({ id: 'u1', email: '' });
  });

  it.each([
    ['citext', 'Ada@Example.com', true],
    ['mail', 'Ada@Example.com', true],
    ['text', 'ada@example.com', true],
    ['varchar(99)', 'ada@example.com', true],
    ['char(99)', 'ada@example.com', true],
    // Better Auth does not find it either.
    ['text', 'Ada@Example.com', false],
  ] as const)('an e-mail address in %s stored as %s is found in any case: %s', async (type, stored, found) => {
    const directory = await directoryWith({ 'user.email': [type, `'${stored}'`] });
    for (const asked of ['ada@example.com', 'ADA@example.com', stored]) {
      expect((await directory.userByEmail(asked))?.email, asked).toEqual(found ? stored : undefined);
    }
    expect(await directory.userByEmail('bob@example.com')).toBeNull();
    await directory.end();
  });

  it('an e-mail address belongs to one user, even if a collation equates it with that of another', async () => {
    await run("CREATE COLLATION base_letters (provider = icu, locale = 'und-u-ks-level1', deterministic = false)");
    const directory = await directoryWith({ 'user.email': ['text COLLATE base_letters', "'Ada@example.com'"] });
    expect((await directory.userByEmail('ada@EXAMPLE.com'))?.id).toBe('u1');
    expect(await directory.userByEmail('äda@example.com')).toBeNull();
    await run(`INSERT INTO s${schemas}."user" (id, email) VALUES ('u2', 'ada@example.com'), ('u3', 'äda@example.com')`);
    expect((await directory.userByEmail('Ada@example.com'))?.id).toBe('u2');
    expect((await directory.userByEmail('Äda@example.com'))?.id).toBe('u3');
    await directory.end();
  });
});

describe('fields that are only displayed', () => {
  it.each([
    ['json', `'{"a": 1}'`, '{"a": 1}'],
    ['jsonb', `'{"a": 1}'`, '{"a": 1}'],
    ['char(9)', "'abc'", 'abc'],
    ['citext', "'Abc'", 'Abc'],
    ['integer', '7', '7'],
    ['text[]', "'{a}'", '{a}'],
    ['rank', "'staff'", 'staff'],
    ['text', 'NULL', null],
  ] as const)('a field that is only displayed is read as text from %s %s', async (type, value, expected) => {
    const fields = ['user.name', 'user.image', 'user.banReason', 'organization.name', 'organization.logo'];
    const { user, organization, membership } = await readAll(
      await directoryWith(
        Object.fromEntries([...fields, 'organization.metadata'].map((field) => [field, [type, value] as const])),
      ),
    );
    expect([user?.name, user?.image, user?.banReason]).toEqual([expected ?? '', expected, expected]);
    const { name, logo, metadata } = organization ?? {};
    expect([name, logo, metadata]).toEqual([expected ?? '', expected, expected]);
    expect(membership?.organization).toEqual(organization);
  });
});

describe('a dynamic role', () => {
  it.each([
    ['json', 'rank'],
    ['jsonb', 'citext'],
    ['varchar(99)', 'varchar(99)'],
    ['char(99)', 'char(9)'],
    ['shorter', 'shorter'],
  ])('a dynamic role is read from %s, and its name from %s', async (permission, role) => {
    const { facts } = await readAll(
      await directoryWith({
        'member.role': ['text', "'night'"],
        'organizationRole.role': [role, "'night'"],
        'organizationRole.permission': [permission, `'{"door":["open"]}'`],
      }),
    );
    expect(facts.organization?.dynamicRoles).toEqual([{ role: 'night', grants: [['door', 'open']] }]);
  });
});

describe('a key', () => {
  it.each([
    ['timestamp', END, end],
    ['bigint', String(end), end],
    ['text', END, end],
    ['text', 'NULL', null],
  ] as const)('the expiry of a key is read from %s %s', async (type, value, expiresAt) => {
    const columns: Columns = { 'jwks.expiresAt': [type, value], 'jwks.publicKey': ['jsonb', `'{"kty": "OKP"}'`] };
    const { keys } = await readAll(await directoryWith(columns));
    expect(keys).toEqual([{ id: 'k1', publicKey: '{"kty": "OKP"}', alg: null, crv: null, expiresAt }]);
  });

  it('a key whose expiry cannot be read is left out and reported', async () => {
    const unreadable: string[] = [];
    const { keys } = await readAll(await directoryWith({ 'jwks.expiresAt': ['text', "'later'"] }, unreadable));
    expect(keys).toEqual([]);
    expect(unreadable).toEqual(['jwks.expiresAt']);
  });
});

describe('a type that cannot be read', () => {
  const refusal = async (columns: Columns): Promise<string> => {
    const directory = await directoryWith(columns);
    return detectionOf(directory).finally(() => directory.end());
  };

  it.each([
    ['user.id', 'jsonb', "'{}'", 'jsonb'],
    ['user.id', 'double precision', '7', 'double precision'],
    // It writes the id 7 as 7.00.
    ['user.id', 'numeric(10,2)', '7', 'numeric(10,2)'],
    ['member.organizationId', 'price', '7', 'numeric(12,3)'],
    ['user.email', 'text[]', "'{}'", 'text[]'],
    ['user.emailVerified', 'jsonb', "'{}'", 'jsonb'],
    ['user.role', 'integer', '7', 'integer'],
    ['user.role', 'integer[]', "'{7}'", 'integer[]'],
    // pg does not parse arrays of these types: Better Auth gets the one role `{owner}`.
    ['user.role', 'rank[]', "'{admin}'", 'public.rank[]'],
    ['member.role', 'rank[]', "'{owner}'", 'public.rank[]'],
    ['member.role', 'citext[]', "'{owner}'", 'public.citext[]'],
    ['member.role', 'shorter[]', "'{owner}'", 'public.shorter[]'],
    ['member.role', 'shorts', "'{owner}'", 'public.shorter[]'],
    ['member.role', 'name[]', "'{owner}'", 'name[]'],
    // Better Auth takes every text but '' for true, also `false`.
    ['user.banned', 'text', "'false'", 'text'],
    // pg returns it as text, so that 0 is true for Better Auth.
    ['user.banned', 'bigint', '0', 'bigint'],
    ['user.banned', 'timestamptz', AT, 'timestamp with time zone'],
    // It cannot hold the milliseconds of this century.
    ['user.banExpires', 'integer', '7', 'integer'],
    ['user.banExpires', 'interval', "'1 day'", 'interval'],
    ['user.createdAt', 'jsonb', "'{}'", 'jsonb'],
    ['member.userId', 'boolean', 'true', 'boolean'],
    ['member.role', 'uuid', 'gen_random_uuid()', 'uuid'],
    ['member.role', 'point', 'NULL', 'point'],
    ['member.createdAt', 'time', 'NULL', 'time without time zone'],
    ['organization.id', 'bytea', "'a'", 'bytea'],
    ['organization.slug', 'rank', "'staff'", 'public.rank'],
    ['organizationRole.organizationId', 'text[]', "'{}'", 'text[]'],
    ['organizationRole.permission', 'text[]', "'{}'", 'text[]'],
    ['jwks.expiresAt', 'boolean', 'true', 'boolean'],
  ] as const)('%s of type %s is refused at the start', async (field, type, value, named) => {
    const [table, column] = field.split('.');
    const problem = await refusal({ [field]: [type, value] });
    expect(problem).toContain(`column "${column}" of table "${table}" (${field}) is of type ${named}, and `);
    expect(problem).toMatch(/ is wanted\. Change the type of the column, or make a view/);
  });

  it('one error names all columns with types that cannot be read', async () => {
    const problem = await refusal({ 'user.banned': ['text', 'NULL'], 'member.role': ['integer', '1'] });
    expect(problem).toMatch(/"banned".*boolean, smallint or integer is wanted; column "role" of table "member"/);
  });
});

describe('tables of other kinds', () => {
  let directory: Directory;
  beforeAll(async () => {
    await run(`CREATE SCHEMA other; SET search_path = other, public;
      CREATE TABLE "user" (id uuid, name short, email mail, "emailVerified" flag, image text, "createdAt" moment,
        "updatedAt" moment, role rank, banned flag, "banReason" text, "banExpires" moment) PARTITION BY HASH (id);
      CREATE TABLE user_0 PARTITION OF "user" FOR VALUES WITH (MODULUS 2, REMAINDER 0);
      CREATE TABLE user_1 PARTITION OF "user" FOR VALUES WITH (MODULUS 2, REMAINDER 1);
      CREATE TABLE tenants (id bigint, name text, slug text, logo text, metadata jsonb, "createdAt" date);
      CREATE VIEW organization AS SELECT * FROM tenants;
      CREATE TABLE seats (id bigint, tenant text, person char(36), ranks jsonb, born text);
      CREATE VIEW member AS
        SELECT id, tenant AS "organizationId", person AS "userId", ranks AS role, born AS "createdAt" FROM seats;
      INSERT INTO "user" VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'Ada', 'Ada@example.com', 1, NULL, ${at}, ${at},
        'admin', 1, 'spam', ${end});
      INSERT INTO tenants VALUES (7, 'Acme', 'acme', NULL, '{}', '2026-01-02');
      INSERT INTO seats VALUES (1, '7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '["owner"]', ${AT})`);
    directory = directoryOf(url, { searchPath: ['other'], naming: { tables: 'singular', renamed: new Map() } });
  });
  afterAll(() => directory.end());

  it('partitioned tables, views and domains are read like tables and types', async () => {
    const userId = 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11';
    expect(await directory.facts({ userId, organizationId: '7' })).toEqual({
      user: { roles: ['admin'], ban: { until: end } },
      organization: { status: 'present', memberRoles: ['owner'], dynamicRoles: [] },
    });
    expect(await directory.userByEmail('ADA@example.com')).toMatchObject({ id: userId, emailVerified: true });
    const [membership] = await directory.memberships({ userId, after: null, limit: 2 });
    expect(membership).toMatchObject({ organization: { id: '7', metadata: '{}' }, roles: ['owner'], joinedAt: at });
  });
});
