/** No statement reads a whole table, by PostgreSQL's own counters of the plans that really ran. */
import { expect, it } from 'vitest';
import { generate, joinMany, membershipOrganization, organizationId, userId } from '../../../bench/generate.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { withClient } from '../../../tools/local-services/index.ts';
import { schemaTemplate } from '../../support/better-auth-schema.ts';
import { testDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

/** Large enough that PostgreSQL prefers an index to reading a whole table. */
const POPULATION = { users: 4_000, organizations: 20_000, membershipsPerUser: 3 };
const JOINER = 7;

interface Reads {
  readonly table: string;
  readonly whole: number;
  readonly byIndex: number;
}

it('every statement finds users, members, organizations and roles by an index', async () => {
  const { url } = await testDatabase(await schemaTemplate('plural'));
  await generate(url, POPULATION);
  await joinMany(url, userId(JOINER), 1_000);
  await withClient(url, async (client) => {
    await client.query(
      `INSERT INTO "organizationRole" (id, "organizationId", role, permission, "createdAt")
       SELECT md5('role ' || i), md5('organization ' || (i % 20000)), 'role-' || i, '{"data":["read"]}', now()
       FROM generate_series(0, 9999) i`,
    );
    await client.query('VACUUM ANALYZE');
  });
  const reads = (): Promise<readonly Reads[]> =>
    withClient(url, async (client) => {
      const { rows } = await client.query<Reads>(
        `SELECT relname AS table, seq_scan::int AS whole, coalesce(idx_scan, 0)::int AS "byIndex"
         FROM pg_stat_user_tables WHERE relname IN ('users', 'members', 'organizations', 'organizationRole') ORDER BY 1`,
      );
      return rows;
    });
  /** A session reports its counts when it ends. */
  const alone = (): Promise<boolean> =>
    withClient(url, async (client) => {
      const { rowCount } = await client.query(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND backend_type = 'client backend'`,
      );
      return rowCount === 0;
    });
  const directory = directoryOf(url, { size: 2 });
  const before = await reads();

  const member = { userId: userId(5), organizationId: organizationId(membershipOrganization(POPULATION, 5, 1)) };
  expect((await directory.facts(member)).organization?.memberRoles).toHaveLength(1);
  expect((await directory.facts({ userId: userId(JOINER), organizationId: organizationId(900) })).user).not.toBeNull();
  expect((await directory.facts({ userId: userId(6), organizationId: null })).user).not.toBeNull();
  expect(await directory.userById(userId(8))).not.toBeNull();
  expect(await directory.userByEmail('user-9@example.com')).not.toBeNull();
  expect(await directory.organizationById(organizationId(10))).not.toBeNull();
  expect(await directory.organizationBySlug('organization-11')).not.toBeNull();
  const first = await directory.memberships({ userId: userId(JOINER), after: null, limit: 50 });
  const after = first.at(-1)?.organization.id ?? null;
  expect(first).toHaveLength(50);
  expect(await directory.memberships({ userId: userId(JOINER), after, limit: 50 })).toHaveLength(50);
  await directory.end();
  await until('the sessions of the directory have ended', alone);

  const afterwards = await reads();
  for (const [index, { table, whole, byIndex }] of afterwards.entries()) {
    expect({ table, whole: whole - (before[index]?.whole ?? 0) }).toEqual({ table, whole: 0 });
    const lookups = byIndex - (before[index]?.byIndex ?? 0);
    expect({ table, used: lookups > 0 }).toEqual({ table, used: true });
    // A page looks up its own organizations twice (whether they exist, and their columns), and not all of the user's.
    if (table === 'organizations') expect(lookups).toBeLessThan(2 * 2 * 50 + 10);
  }
});
