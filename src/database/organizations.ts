/** Organizations by id and by slug, and the organizations of a user. */
import { type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { memberRoles } from './roles.ts';
import { canHold, equals, linkIds, tableName } from './sql.ts';
import {
  earliest,
  earliestOf,
  type OnUnreadable,
  readable,
  rolesFormOf,
  rolesOf,
  textOf,
  time,
  timeOf,
} from './values.ts';

/** An organization as stored. */
export interface OrganizationRecord {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  readonly logo: string | null;
  /** JSON text as stored. */
  readonly metadata: string | null;
  /** In milliseconds since the epoch, null where none is stored that can be read. */
  readonly createdAt: number | null;
}

/** A user's membership, all member rows of one organization together. */
export interface MembershipRecord {
  readonly organization: OrganizationRecord;
  readonly roles: readonly string[];
  /** As {@link OrganizationRecord.createdAt}. */
  readonly joinedAt: number | null;
}

const organizationRow = z.object({
  id: z.string(),
  name: z.string().nullable(),
  slug: z.string().nullable(),
  logo: z.string().nullable(),
  metadata: z.string().nullable(),
  createdAt: time,
});
const membershipRow = organizationRow.extend({
  roles: z.array(z.string().nullable()),
  joinedAt: earliest,
});

/** Reads the organization whose `field` has exactly this value; null when there is none. */
export async function readOrganization(
  db: Database,
  schema: Schema,
  field: 'id' | 'slug',
  value: string,
  onUnreadable: OnUnreadable,
  signal?: AbortSignal,
): Promise<OrganizationRecord | null> {
  const { organizations } = schema;
  if (organizations === null) return null;
  const column = organizations.organization.columns[field];
  if (!canHold(column, value)) return null;
  const [row] = await db.rows(
    sql.unsafe`SELECT ${organizationColumns(organizations)}
      FROM ${tableName(organizations.organization)} o
      WHERE ${equals('o', column, value)}`,
    organizationRow,
    signal,
  );
  return row === undefined ? null : toOrganization(row, onUnreadable);
}

/**
 * Reads a user's memberships ordered by organization id, after the organization `after`: by key and not by offset, so
 * that a membership that comes or goes between two pages neither repeats nor hides another.
 */
export async function readMemberships(
  db: Database,
  schema: Schema,
  { userId, after, limit }: { readonly userId: string; readonly after: string | null; readonly limit: number },
  onUnreadable: OnUnreadable,
  signal?: AbortSignal,
): Promise<readonly MembershipRecord[]> {
  const { organizations } = schema;
  if (organizations === null) return [];
  const { member, organization } = organizations;
  const key = member.columns.organizationId;
  if (!canHold(member.columns.userId, userId) || (after !== null && !canHold(key, after))) return [];
  const link = linkIds('m', key, organization.columns.id);
  const own = sql.fragment`own.id`;
  const following = after === null ? sql.fragment`true` : link.follows(own, after);
  // Before the limit, since a page that is short for memberships of organizations that are gone would pass for the last one.
  // Scalar and in HAVING, so that PostgreSQL looks up the groups that a page gets to and no others: for EXISTS it may hash
  // the whole table, and in WHERE it comes before the order and hence before the limit.
  const isThere = sql.fragment`(SELECT true FROM ${tableName(organization)} present
    WHERE ${link.isIn('present', own)} LIMIT 1)`;
  const rows = await db.rows(
    // Distinct for a table without its key, in which two organizations may have one id.
    // Materialized, so that the user's rows are found by the user and nothing else: Better Auth has an index on each of the
    // two columns and none on both. For somebody with thousands of memberships PostgreSQL would rather walk through those
    // of everybody in the order of organizations (316 ms among three million members), or through half of that index for
    // a later page (5 ms instead of 2).
    sql.unsafe`WITH own AS MATERIALIZED (
        SELECT ${link.id} AS id, ${rolesOf('m', member.columns.role)} AS roles,
          ${timeOf('m', member.columns.createdAt)} AS joined_at
        FROM ${tableName(member)} m
        WHERE ${equals('m', member.columns.userId, userId)}
      )
      SELECT DISTINCT ON (page.id) ${organizationColumns(organizations)}, page.roles AS "roles", page.joined_at AS "joinedAt"
      FROM (
        SELECT own.id, array_agg(own.roles) AS roles,
          ${earliestOf(member.columns.createdAt, sql.fragment`own.joined_at`)} AS joined_at
        FROM own
        WHERE ${following}
        GROUP BY own.id
        HAVING ${isThere}
        ORDER BY own.id
        LIMIT ${limit}
      ) page
      JOIN ${tableName(organization)} o ON ${link.isIn('o', sql.fragment`page.id`)}
      ORDER BY page.id`,
    membershipRow,
    signal,
  );
  const form = rolesFormOf(member.columns.role);
  return rows.map(({ roles: stored, joinedAt, ...row }) => {
    const { roles, unreadable } = memberRoles(stored, form);
    if (unreadable > 0) onUnreadable('member.role');
    return {
      organization: toOrganization(row, onUnreadable),
      roles,
      joinedAt: readable(joinedAt, 'member.createdAt', onUnreadable),
    };
  });
}

type Organizations = NonNullable<Schema['organizations']>;

function organizationColumns({ organization: { columns } }: Organizations): FragmentSqlToken {
  return sql.fragment`${textOf('o', columns.id)} AS "id", ${textOf('o', columns.name)} AS "name",
    ${textOf('o', columns.slug)} AS "slug", ${textOf('o', columns.logo)} AS "logo",
    ${textOf('o', columns.metadata)} AS "metadata", ${timeOf('o', columns.createdAt)} AS "createdAt"`;
}

function toOrganization(row: z.infer<typeof organizationRow>, onUnreadable: OnUnreadable): OrganizationRecord {
  return {
    id: row.id,
    name: row.name ?? '',
    slug: row.slug ?? '',
    logo: row.logo,
    metadata: row.metadata,
    createdAt: readable(row.createdAt, 'organization.createdAt', onUnreadable),
  };
}
