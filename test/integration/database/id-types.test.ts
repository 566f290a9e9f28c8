/**
 * Ids and foreign keys of every type, and of two different types: which rows are found, and that each statement finds them by
 * an index, by PostgreSQL's own counters of the plans that really ran.
 */
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Directory } from '../../../src/database/directory.ts';
import { grantsSql } from '../../../src/ddl/grants.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { asLeastPrivilege, leastPrivilegeUrl } from '../../../tools/assent/least-privilege.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { testDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const { url, name } = await testDatabase();

const ROWS = 2_000;
/** How many organizations the user of row 7 joined. */
const JOINED = 20;

/** The type of the ids, and the type of the foreign keys. */
type Pair = readonly [ids: string, references: string];
const among = (some: readonly string[], others: readonly string[]): Pair[] =>
  some.flatMap((one) => others.filter((other) => other !== one).map((other): Pair => [one, other]));

const CITEXT = 'extensions.citext';
const TEXTS = ['text', 'varchar(36)', 'char(36)', CITEXT, 'text COLLATE public.any_case', 'text COLLATE "C"'];
const NUMBERS = ['integer', 'bigint', 'numeric(20)'];
const ALIKE = [...TEXTS, 'name', 'uuid', ...NUMBERS, 'smallint', 'word', 'padded', 'folded', 'person', 'number'].map(
  (type): Pair => [type, type],
);
const DIFFERENT = [
  ...among([...TEXTS, 'uuid'], [...TEXTS, 'uuid']),
  ...among(NUMBERS, [...NUMBERS, ...TEXTS]),
  ...among(TEXTS, NUMBERS),
];
/** Texts that a foreign key without a constraint may hold, and that are not the text of a uuid or a number. */
const STRAY = [
  'acme',
  '007',
  '-0',
  '9223372036854775808',
  '9'.repeat(30),
  'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  ' 7',
];

const isUuid = (type: string): boolean => ['uuid', 'person'].includes(type);
const isNumber = (type: string): boolean => [...NUMBERS, 'smallint', 'number'].includes(type);
/** The id of a row, as SQL: one that both types can hold. */
const idOf = (pair: Pair, row: string): string => (pair.some(isNumber) ? row : `md5((${row})::text)::uuid`);

const tablesOf = (pair: Pair, schema: string): string => {
  const [ids, references] = pair;
  const rows = (of: string, from = 1, to = ROWS) => `SELECT ${of} FROM generate_series(${from}, ${to}) i`;
  const [id, user] = [idOf(pair, 'i'), idOf(pair, '7')];
  const stray = isUuid(references) || isNumber(references) ? [] : STRAY;
  return `CREATE SCHEMA ${schema}; SET search_path = ${schema}, public;
    CREATE TABLE "user" (id ${ids} PRIMARY KEY, name text, email ${isUuid(ids) || isNumber(ids) ? 'text' : ids} UNIQUE,
      "emailVerified" boolean, image text, "createdAt" timestamptz DEFAULT now(), "updatedAt" timestamptz DEFAULT now());
    CREATE TABLE organization (id ${ids} PRIMARY KEY, name text, slug ${ids} UNIQUE, logo text, metadata text,
      "createdAt" timestamptz DEFAULT now());
    CREATE TABLE member (id text, "organizationId" ${references}, "userId" ${references}, role text, "createdAt" timestamptz DEFAULT now());
    CREATE TABLE "organizationRole" ("organizationId" ${references}, role text, permission text);
    INSERT INTO "user" (id, name, email) ${rows(`${id}, repeat('x', 100), 'user-' || i`)};
    INSERT INTO organization (id, slug, name) ${rows(`${id}, ${id}, repeat('x', 100)`)};
    INSERT INTO member ("organizationId", "userId", role) ${rows(`${id}, ${id}, 'staff'`)};
    INSERT INTO member ("organizationId", "userId", role) ${rows(`${id}, ${user}, 'night'`, 101, 99 + JOINED)};
    ${stray.map((value) => `INSERT INTO member ("organizationId", "userId", role) VALUES ('${value}', ${user}, 'owner');`).join('\n')}
    INSERT INTO "organizationRole" ${rows(`${id}, 'staff', '{"door":["open"]}'`)};
    CREATE INDEX ON member ("userId"); CREATE INDEX ON member ("organizationId");
    CREATE INDEX ON "organizationRole" ("organizationId");
    ANALYZE "user", organization, member, "organizationRole";`;
};

interface Reads {
  readonly table: string;
  /** How often the whole table was read. */
  readonly whole: number;
  /** How many index entries were read. */
  readonly entries: number;
}

/** The reads of a schema's tables until now. A session reports its counts when it ends. */
const readsOf = async (schema: string): Promise<readonly Reads[]> =>
  withClient(url, async (client) => {
    await until('the sessions have ended', async () => {
      const { rowCount } = await client.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND backend_type = 'client backend'`,
      );
      return rowCount === 0;
    });
    const { rows } = await client.query<Reads>(
      `SELECT t.relname AS table, t.seq_scan::int AS whole, sum(i.idx_tup_read)::int AS entries
       FROM pg_stat_user_tables t JOIN pg_stat_user_indexes i USING (relid) WHERE t.schemaname = $1
       GROUP BY t.relname, t.seq_scan ORDER BY 1`,
      [schema],
    );
    return rows;
  });

/** Runs every statement for a user and the organizations of the user. */
const askAll = async (directory: Directory, user: string, joined: readonly string[]) => {
  const { organization } = await directory.facts({ userId: user, organizationId: user });
  const [other = ''] = joined;
  const found = {
    roles: organization?.memberRoles,
    grants: organization?.dynamicRoles.flatMap(({ grants }) => grants),
    otherRoles: (await directory.facts({ userId: user, organizationId: other })).organization?.memberRoles,
    platform: (await directory.facts({ userId: user, organizationId: null })).user,
    user: (await directory.userById(user))?.id,
    byEmail: (await directory.userByEmail('USER-7'))?.id,
    organization: (await directory.organizationById(other))?.id,
    bySlug: (await directory.organizationBySlug(other))?.id,
  };
  const listed: string[] = [];
  for (let after: string | null = null; listed.length <= 2 * JOINED; after = listed.at(-1) ?? null) {
    const page = await directory.memberships({ userId: user, after, limit: 8 });
    listed.push(...page.map((one) => one.organization.id));
    if (page.length < 8) break;
  }
  const capitals = user.toUpperCase();
  const others = {
    capitals: capitals === user ? null : await directory.userById(capitals),
    blank: await directory.userById(`${user} `),
    zero: await directory.userById(`0${user}`),
    strange: await directory.memberships({ userId: 'nobody', after: 'nothing', limit: 5 }),
  };
  return { found, listed, others };
};

let schemas = 0;

/** Makes tables with these types, runs every statement for the user of row 7, and counts the reads of the tables. */
const ask = async (pair: Pair) => {
  schemas += 1;
  const schema = `s${schemas}`;
  const { user, joined } = await withClient(url, async (client) => {
    await client.query(tablesOf(pair, schema));
    const { rows } = await client.query<{ user: string; joined: string[] }>(
      `SELECT (${idOf(pair, '7')})::text AS user,
         (SELECT array_agg((${idOf(pair, 'i')})::text ORDER BY i) FROM generate_series(101, ${99 + JOINED}) i) AS joined`,
    );
    return rows[0] ?? { user: '', joined: [] };
  });
  const before = await readsOf(schema);
  const directory = directoryOf(url, { searchPath: [schema], naming: { tables: 'singular', renamed: new Map() } });
  const answers = await askAll(directory, user, joined).finally(() => directory.end());
  const after = await readsOf(schema);
  const reads = after.map(({ table, whole, entries }, index) => ({
    table,
    whole: whole - (before[index]?.whole ?? 0),
    few: entries - (before[index]?.entries ?? 0) < ROWS / 4,
  }));
  return { user, joined, ...answers, reads };
};

beforeAll(() =>
  withClient(url, (client) =>
    // citext is outside the search path. A statement that an index cannot serve reads the whole table, or a whole index.
    client.query(`CREATE SCHEMA extensions; CREATE EXTENSION citext SCHEMA extensions;
      CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
      CREATE DOMAIN word AS varchar(36); CREATE DOMAIN padded AS char(36); CREATE DOMAIN folded AS extensions.citext;
      CREATE DOMAIN any_person AS uuid; CREATE DOMAIN person AS any_person; CREATE DOMAIN number AS bigint;
      ALTER DATABASE ${name} SET enable_seqscan = off`),
  ),
);

describe('types and collations of a schema without USAGE', () => {
  it('a missing USAGE on the schema of a type or collation is an error, and the printed grants include it', async () => {
    await withClient(url, (client) =>
      client.query(`CREATE SCHEMA folding; CREATE SCHEMA sorting; SET search_path = folding;
        CREATE COLLATION sorting.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE "user" (id text, name text, email ${CITEXT}, "emailVerified" boolean, image text,
          "createdAt" timestamptz, "updatedAt" timestamptz);
        CREATE TABLE organization (id text COLLATE sorting.any_case, name text, slug text, logo text, metadata text,
          "createdAt" timestamptz);
        CREATE TABLE member (id text, "organizationId" text, "userId" text, role text, "createdAt" timestamptz);
        INSERT INTO "user" VALUES ('u', 'Ada', 'Ada@example.com', true, NULL, now(), now());
        INSERT INTO organization VALUES ('o', 'Acme', 'acme', NULL, NULL, now());
        INSERT INTO member VALUES ('m', 'o', 'u', 'owner', now())`),
    );
    const options = { searchPath: ['folding'] };
    const owner = directoryOf(url, options);
    await asLeastPrivilege(url, grantsSql(await owner.schema().finally(() => owner.end())));
    const revoke = (what: string) =>
      withClient(url, (client) => client.query(`REVOKE USAGE ON SCHEMA ${what} FROM assent`));
    const directory = directoryOf(leastPrivilegeUrl(url), options);
    onTestFinished(() => directory.end());
    expect(await directory.userByEmail('ada@example.com')).toMatchObject({ id: 'u' });
    expect(await directory.memberships({ userId: 'u', after: null, limit: 9 })).toHaveLength(1);
    await revoke('sorting');
    await expect(directory.schema()).rejects.toThrow(
      /USAGE on the database schema "sorting".*column "id" of table "organization".*GRANT USAGE ON SCHEMA "sorting"/,
    );
    await revoke('extensions');
    await expect(directory.schema()).rejects.toThrow(
      /"extensions".*column "email" of table "user".*GRANT USAGE ON SCHEMA "extensions", "sorting"/,
    );
  });
});

describe('ids in char(36) that are shorter', () => {
  it('an id in char(36) is found with its padding and without it', async () => {
    await withClient(url, (client) =>
      client.query(`CREATE SCHEMA padding; SET search_path = padding;
        CREATE TABLE "user" (id char(36), name text, email text, "emailVerified" boolean, image text,
          "createdAt" timestamptz, "updatedAt" timestamptz);
        CREATE TABLE organization (id char(36), name text, slug text, logo text, metadata text, "createdAt" timestamptz);
        CREATE TABLE member (id text, "organizationId" text, "userId" char(36), role text, "createdAt" timestamptz);
        INSERT INTO "user" VALUES ('ada'); INSERT INTO organization VALUES ('acme'), ('zeta');
        INSERT INTO member VALUES ('1', rpad('acme', 36), 'ada', 'owner'), ('2', 'acme', 'ada', 'staff'), ('3', 'zeta', 'ada', '')`),
    );
    const directory = directoryOf(url, { searchPath: ['padding'], naming: { tables: 'singular', renamed: new Map() } });
    const [user, organization] = ['ada'.padEnd(36), 'acme'.padEnd(36)];
    const { user: found, organization: of } = await directory.facts({ userId: user, organizationId: organization });
    expect([found, of?.memberRoles]).toEqual([{ roles: [], ban: null }, ['owner']]);
    expect((await directory.userById(user))?.id).toBe('ada');
    expect((await directory.organizationById(organization))?.id).toBe('acme');
    for (const userId of [user, 'ada']) {
      const [first, ...more] = await directory.memberships({ userId, after: null, limit: 1 });
      expect([first?.organization.id, first?.roles.toSorted(), more]).toEqual(['acme', ['owner', 'staff'], []]);
      const next = await directory.memberships({ userId, after: 'acme', limit: 5 });
      expect(next.map((one) => one.organization.id)).toEqual(['zeta']);
    }
    for (const id of ['ada ', 'ada'.padEnd(35), 'ada'.padEnd(37), ' ada'])
      expect(await directory.userById(id)).toBeNull();
    await directory.end();
  });
});

describe.each([
  ['of one type', ALIKE],
  ['and foreign keys of two types', DIFFERENT],
] as const)('ids %s', (_title, pairs) => {
  it.each(pairs)(
    'ids of %s with foreign keys of %s are found by an index, and only by their canonical form',
    async (...pair) => {
      const { user, joined, found, listed, others, reads } = await ask(pair);
      expect(found).toEqual({
        ...{ roles: ['staff'], grants: [['door', 'open']], otherRoles: ['night'] },
        ...{ platform: { roles: [], ban: null }, user, byEmail: user, organization: joined[0], bySlug: joined[0] },
      });
      expect(listed.toSorted()).toEqual([user, ...joined].toSorted());
      expect(others).toEqual({ capitals: null, blank: null, zero: null, strange: [] });
      const tables = ['member', 'organization', 'organizationRole', 'user'];
      expect(reads).toEqual(tables.map((table) => ({ table, whole: 0, few: true })));
    },
  );
});
