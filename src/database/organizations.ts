/** Organizations by id and by slug, and the memberships of a user. */
import { type FragmentSqlToken, type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Demand } from '../admission/demand.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { canHold, equals, linkIds, tableName } from './sql.ts';
import {
  earliest,
  earliestOf,
  memberRoles,
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
  /** In milliseconds since the epoch; null where none is stored, or it cannot be read. */
  readonly createdAt: number | null;
}

/** A user's membership: all member rows of one organization together. */
export interface MembershipRecord {
  readonly organization: OrganizationRecord;
  readonly roles: readonly string[];
  /** As {@link OrganizationRecord.createdAt}. */
  readonly joinedAt: number | null;
}

/** One page of a user's memberships. */
export interface MembershipPage {
  readonly userId: string;
  /** The id of the last organization of the page before; null for the first page. */
  readonly after: string | null;
  /** The maximum number of memberships. */
  readonly limit: number;
}

/** Reads the organization whose `field` has exactly this value; null when there is none. */
export async function readOrganization(
  db: Database,
  schema: Schema,
  field: 'id' | 'slug',
  value: string,
  onUnreadable: OnUnreadable,
  demand?: Demand,
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
    demand,
  );
  return row === undefined ? null : toOrganization(row, onUnreadable);
}

/** Reads one page of a user's memberships, ordered by organization id. */
export async function readMemberships(
  db: Database,
  schema: Schema,
  page: MembershipPage,
  onUnreadable: OnUnreadable,
  demand?: Demand,
): Promise<readonly MembershipRecord[]> {
  const { organizations } = schema;
  if (organizations === null) return [];
  const { columns } = organizations.member;
  if (!canHold(columns.userId, page.userId)) return [];
  if (page.after !== null && !canHold(columns.organizationId, page.after)) return [];
  const rows = await db.rows(membershipsStatement(organizations, page), membershipRow, demand);
  const form = rolesFormOf(columns.role);
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

/**
 * The statement for one page of memberships. Its parts, and why each is written in this way:
 *
 * - Pages are by key and not by offset: a membership that comes or goes between two pages neither repeats nor hides another.
 * - `own` is the user's member rows. It is materialized, so that they are found by the user alone. Better Auth has one index
 *   on the user, one on the organization and none on both. For a user with thousands of memberships PostgreSQL would rather
 *   walk through the memberships of all users in the order of organizations (316 ms among three million members), or for a
 *   later page through half of that index (5 ms instead of 2).
 * - `page` is one group for each organization that exists. Existence is checked before LIMIT: a page that is short because
 *   its organizations are gone would pass for the last page.
 * - Existence is a scalar subquery in HAVING, so that PostgreSQL checks only the groups that the page gets to. For EXISTS it
 *   may hash the whole table, and a condition in WHERE comes before the order and hence before the limit.
 * - DISTINCT ON is for a table without a primary key, in which two organizations may have one id.
 */
function membershipsStatement(organizations: Organizations, { userId, after, limit }: MembershipPage): QuerySqlToken {
  const { member, organization } = organizations;
  const link = linkIds('m', member.columns.organizationId, organization.columns.id);
  const ownId = sql.fragment`own.id`;
  return sql.unsafe`WITH own AS MATERIALIZED (
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
      WHERE ${after === null ? sql.fragment`true` : link.follows(ownId, after)}
      GROUP BY own.id
      HAVING (SELECT true FROM ${tableName(organization)} present WHERE ${link.isIn('present', ownId)} LIMIT 1)
      ORDER BY own.id
      LIMIT ${limit}
    ) page
    JOIN ${tableName(organization)} o ON ${link.isIn('o', sql.fragment`page.id`)}
    ORDER BY page.id`;
}

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
