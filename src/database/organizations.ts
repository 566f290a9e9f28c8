/** Organizations by id and by slug, and the organizations of a user. */
import { type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { memberRoles } from './roles.ts';
import { canHold, columnOf, epochMillis, equals, millis, roleText, tableName, textOrNull } from './sql.ts';

/** An organization as stored. Times are milliseconds since the epoch. */
export interface OrganizationRecord {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly logo: string | null;
  /** JSON text as stored. */
  readonly metadata: string | null;
  readonly createdAt: number;
}

/** A user's membership, all member rows of one organization together. */
export interface MembershipRecord {
  readonly organization: OrganizationRecord;
  readonly roles: readonly string[];
  readonly joinedAt: number;
}

const organizationRow = z.object({
  id: z.string(),
  name: z.string(),
  slug: z.string().nullable(),
  logo: z.string().nullable(),
  metadata: z.string().nullable(),
  createdAt: millis,
});
const membershipRow = organizationRow.extend({
  roles: z.array(z.string().nullable()),
  joinedAt: millis,
});

type Organizations = NonNullable<Schema['organizations']>;

const organizationColumns = ({ organization: { columns } }: Organizations): FragmentSqlToken =>
  sql.fragment`${columnOf('o', columns.id)}::text AS "id", ${columnOf('o', columns.name)} AS "name",
    ${columnOf('o', columns.slug)} AS "slug", ${columnOf('o', columns.logo)} AS "logo",
    ${textOrNull('o', columns.metadata)} AS "metadata", ${epochMillis('o', columns.createdAt)} AS "createdAt"`;

const toOrganization = (row: z.infer<typeof organizationRow>): OrganizationRecord => ({
  id: row.id,
  name: row.name,
  slug: row.slug ?? '',
  logo: row.logo,
  metadata: row.metadata,
  createdAt: row.createdAt,
});

/** Reads the organization whose `field` has exactly this value; null when there is none. */
export const readOrganization = async (
  db: Database,
  schema: Schema,
  field: 'id' | 'slug',
  value: string,
): Promise<OrganizationRecord | null> => {
  const { organizations } = schema;
  if (organizations === null) return null;
  const column = organizations.organization.columns[field];
  if (!canHold(column, value)) return null;
  const [row] = await db.rows(
    sql.unsafe`SELECT ${organizationColumns(organizations)}
      FROM ${tableName(organizations.organization)} o
      WHERE ${equals('o', column, value)}`,
    organizationRow,
  );
  return row !== undefined && row[field] === value ? toOrganization(row) : null;
};

/**
 * Reads a user's memberships ordered by organization id, after the organization `after`: by key and not by offset, so
 * that a membership that comes or goes between two pages neither repeats nor hides another.
 */
export const readMemberships = async (
  db: Database,
  schema: Schema,
  { userId, after, limit }: { readonly userId: string; readonly after: string | null; readonly limit: number },
): Promise<readonly MembershipRecord[]> => {
  const { organizations } = schema;
  if (organizations === null) return [];
  const { member, organization } = organizations;
  const key = member.columns.organizationId;
  if (!canHold(member.columns.userId, userId) || (after !== null && !canHold(key, after))) return [];
  // The id column's own type orders, since an index on (userId, organizationId) has that order.
  const following =
    after === null
      ? sql.fragment`true`
      : key.type === 'uuid'
        ? sql.fragment`${columnOf('m', key)} > ${after}::uuid`
        : ['smallint', 'integer', 'bigint'].includes(key.type)
          ? sql.fragment`${columnOf('m', key)} > ${after}::int8`
          : sql.fragment`${columnOf('m', key)} > ${after}::text`;
  // Before the limit, since a page that is short for memberships of organizations that are gone would pass for the last one.
  // Scalar and in HAVING, so that PostgreSQL looks up the groups that a page gets to and no others: for EXISTS it may hash
  // the whole table, and in WHERE it comes before the order and hence before the limit.
  const isThere = sql.fragment`(SELECT true FROM ${tableName(organization)} present
    WHERE ${columnOf('present', organization.columns.id)} = ${columnOf('m', key)} LIMIT 1)`;
  const rows = await db.rows(
    // Materialized, so that the user's rows are found by the user and nothing else: Better Auth has an index on each of the
    // two columns and none on both. For somebody with thousands of memberships PostgreSQL would rather walk through those
    // of everybody in the order of organizations (316 ms among three million members), or through half of that index for
    // a later page (5 ms instead of 2).
    sql.unsafe`WITH own AS MATERIALIZED (
        SELECT ${columnOf('m', key)}, ${columnOf('m', member.columns.role)}, ${columnOf('m', member.columns.createdAt)}
        FROM ${tableName(member)} m
        WHERE ${equals('m', member.columns.userId, userId)}
      )
      SELECT ${organizationColumns(organizations)}, page.roles AS "roles", page.joined_at AS "joinedAt"
      FROM (
        SELECT ${columnOf('m', key)} AS organization_id, array_agg(${roleText('m', member.columns.role)}) AS roles,
          min(${epochMillis('m', member.columns.createdAt)}) AS joined_at
        FROM own m
        WHERE ${following}
        GROUP BY ${columnOf('m', key)}
        HAVING ${isThere}
        ORDER BY ${columnOf('m', key)}
        LIMIT ${limit}
      ) page
      JOIN ${tableName(organization)} o ON ${columnOf('o', organization.columns.id)} = page.organization_id
      ORDER BY page.organization_id`,
    membershipRow,
  );
  return rows.map(({ roles, joinedAt, ...row }) => ({
    organization: toOrganization(row),
    roles: memberRoles(roles),
    joinedAt,
  }));
};
