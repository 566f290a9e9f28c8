/** The facts of one (user, organization) pair, read by one statement. */
import { type FragmentSqlToken, type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Demand } from '../admission/demand.ts';
import type { DynamicRole, Facts, FactsKey, OrganizationFacts, UserFacts } from '../policy/facts.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { RecoveryError } from './read-only-driver.ts';
import { canHold, equals, tableName } from './sql.ts';
import {
  banOf,
  flagOf,
  memberRoles,
  type OnUnreadable,
  platformRoles,
  rolesFormOf,
  rolesOf,
  textOf,
  time,
  timeOf,
} from './values.ts';

/** Reads the facts of a pair from PostgreSQL. */
export type FactsReader = (key: FactsKey, demand?: Demand) => Promise<Facts>;

/** @param onBadRole Called with the number of dynamic roles of the organization that could not be read. */
export function createFactsReader(
  db: Database,
  schema: Schema,
  onBadRole: (organizationId: string, count: number) => void,
  onUnreadable: OnUnreadable,
): FactsReader {
  const platformForm = rolesFormOf(schema.user.columns.role);
  const memberForm = rolesFormOf(schema.organizations?.member.columns.role);
  const statementFor = createStatements(schema);
  const none: OrganizationFacts = schema.organizations === null ? DISABLED : ABSENT;
  const toUser = (row: FactsRow): UserFacts => {
    const { roles, unreadable } = platformRoles(row.platformRole, platformForm);
    if (unreadable > 0) onUnreadable('user.role');
    return { roles, ban: banOf(row.banned, row.banExpires, onUnreadable) };
  };

  return async ({ userId, organizationId }, demand) => {
    if (!canHold(schema.user.columns.id, userId)) {
      return { user: null, organization: organizationId === null ? null : none };
    }
    const [row, another] = await db.rows(statementFor(userId, organizationId), factsRow, demand);
    if (another !== undefined)
      throw new Error('Two users have one id: whichever is read first would say who is banned.');
    const user = row === undefined || row.userId === null ? null : toUser(row);
    if (row === undefined || organizationId === null) return { user, organization: null };
    if (row.organizationIds.length === 0) return { user, organization: none };
    if (row.organizationIds.length > 1)
      throw new Error('Two organizations have one id: the members of one would be those of the other.');
    const { roles: held, unreadable } = memberRoles(row.memberRoles, memberForm);
    if (unreadable > 0) onUnreadable('member.role');
    const dynamic = heldDynamicRoles(
      (row.dynamicRoles ?? []).map(([role, permission]) => ({ role, permission })),
      held,
    );
    if (dynamic.bad > 0) onBadRole(organizationId, dynamic.bad);
    const roles = row.memberRoles.length === 0 ? null : held;
    return { user, organization: { status: 'present', memberRoles: roles, dynamicRoles: dynamic.roles } };
  };
}

/**
 * The dynamic roles among `rows` that a member holds. A row that cannot be read grants nothing and is counted in `bad`;
 * Better Auth itself fails every check of the organization because of such a row.
 */
export function heldDynamicRoles(
  rows: readonly { readonly role: string; readonly permission: string | null }[],
  held: readonly string[],
): { readonly roles: readonly DynamicRole[]; readonly bad: number } {
  const names = new Set(held);
  const roles: DynamicRole[] = [];
  let bad = 0;
  for (const { role, permission } of rows) {
    if (!names.has(role)) continue;
    const grants = permission === null ? null : parseGrants(permission);
    if (grants === null) bad += 1;
    else roles.push({ role, grants });
  }
  return { roles, bad };
}

const DISABLED: OrganizationFacts = { status: 'disabled', memberRoles: null, dynamicRoles: [] };
const ABSENT: OrganizationFacts = { status: 'absent', memberRoles: null, dynamicRoles: [] };

/** Checked with every row and not once per connection: a pooler keeps connections while the servers behind it change. */
const standby = z.boolean().transform((inRecovery) => {
  if (inRecovery) throw new RecoveryError();
});

/** One shape for all three statements: the columns that a statement does not read are NULL or empty. */
const factsRow = z.object({
  standby,
  userId: z.string().nullable(),
  platformRole: z.string().nullable(),
  banned: z.boolean().nullable(),
  banExpires: time,
  organizationIds: z.array(z.string()),
  memberRoles: z.array(z.string().nullable()),
  dynamicRoles: z.array(z.tuple([z.string(), z.string().nullable()])).nullable(),
});
type FactsRow = z.infer<typeof factsRow>;

/** The parameters of all statements. Text without bound values: `sql` numbers its own placeholders from 1 on as well. */
const USER_ID = sql.fragment`$1`;
const ORGANIZATION_ID = sql.fragment`$2`;

/**
 * Returns the statement for a pair, out of three texts that are put together once. To do so for each read took a quarter of
 * its CPU time: slonik's fragments, and the hash by which a new text is named (docs/contribute/measuring.md).
 */
function createStatements(schema: Schema): (userId: string, organizationId: string | null) => QuerySqlToken {
  const { organizations, organizationRole } = schema;
  const ofUser = statement(schema, { organization: false, dynamicRoles: false });
  const ofMember = statement(schema, { organization: true, dynamicRoles: false });
  const whole = statement(schema, { organization: true, dynamicRoles: true });

  return (userId, organizationId) => {
    const readsOrganization =
      organizations !== null &&
      organizationId !== null &&
      canHold(organizations.organization.columns.id, organizationId) &&
      canHold(organizations.member.columns.organizationId, organizationId) &&
      canHold(organizations.member.columns.userId, userId);
    if (!readsOrganization) return { ...ofUser, values: [userId] };
    const readsDynamicRoles =
      organizationRole !== null && canHold(organizationRole.columns.organizationId, organizationId);
    return { ...(readsDynamicRoles ? whole : ofMember), values: [userId, organizationId] };
  };
}

/** The parts of the facts that a statement reads beside the user. */
interface Scope {
  readonly organization: boolean;
  readonly dynamicRoles: boolean;
}

function statement(schema: Schema, scope: Scope): QuerySqlToken {
  const { user } = schema;
  const organizations = scope.organization ? schema.organizations : null;
  const held =
    organizations === null
      ? sql.fragment`SELECT NULL::text AS role WHERE false`
      : sql.fragment`SELECT ${rolesOf('m', organizations.member.columns.role)} AS role
        FROM ${tableName(organizations.member)} m
        WHERE ${equals('m', organizations.member.columns.userId, USER_ID)}
          AND ${equals('m', organizations.member.columns.organizationId, ORGANIZATION_ID)}`;
  const organization =
    organizations === null
      ? sql.fragment`ARRAY[]::text[]`
      : sql.fragment`ARRAY(SELECT ${textOf('o', organizations.organization.columns.id)}
        FROM ${tableName(organizations.organization)} o
        WHERE ${equals('o', organizations.organization.columns.id, ORGANIZATION_ID)})`;
  return sql.unsafe`WITH held AS MATERIALIZED (${held})
    SELECT pg_is_in_recovery() AS "standby",
      ${textOf('u', user.columns.id)} AS "userId",
      ${rolesOf('u', user.columns.role)} AS "platformRole",
      ${flagOf('u', user.columns.banned)} AS "banned",
      ${timeOf('u', user.columns.banExpires)} AS "banExpires",
      ${organization} AS "organizationIds",
      ARRAY(SELECT held.role FROM held) AS "memberRoles",
      ${scope.dynamicRoles ? dynamicRolesOf(schema) : sql.fragment`NULL::json`} AS "dynamicRoles"
    FROM (SELECT) AS always
    LEFT JOIN ${tableName(user)} u ON ${equals('u', user.columns.id, USER_ID)}`;
}

/**
 * The rows of the organization's dynamic roles whose name occurs in the text of the member's roles: `strpos` leaves most of
 * the others in the database. Which of the rest the member holds is decided by {@link heldDynamicRoles}, after the text is
 * split by the same code as for every role. The two columns may have different collations, hence `COLLATE`.
 */
function dynamicRolesOf({ organizationRole: role, organizations }: Schema): FragmentSqlToken {
  if (role === null) return sql.fragment`NULL::json`;
  // JSON may spell a name with escapes. chr(92) is the backslash: a literal would depend on standard_conforming_strings.
  const isEscaped =
    rolesFormOf(organizations?.member.columns.role) === 'json'
      ? sql.fragment` OR strpos(held.role, chr(92)) > 0`
      : sql.fragment``;
  return sql.fragment`(SELECT json_agg(json_build_array(r.role, r.permission)) FROM (
      SELECT ${textOf('x', role.columns.role)} AS role, ${textOf('x', role.columns.permission)} AS permission
      FROM ${tableName(role)} x
      WHERE ${equals('x', role.columns.organizationId, ORGANIZATION_ID)}
    ) r WHERE EXISTS (SELECT FROM held WHERE strpos(held.role COLLATE "C", r.role) > 0${isEscaped}))`;
}

/** Parses `organizationRole.permission`, JSON text `{resource: [action]}`; null for any other text. */
function parseGrants(text: string): [string, string][] | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  // A json column of Drizzle can hold the JSON as a string within JSON.
  if (typeof value === 'string') return parseGrants(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const grants: [string, string][] = [];
  for (const [resource, actions] of Object.entries(value)) {
    if (!Array.isArray(actions)) return null;
    // Each action once: the members of an organization can repeat one as often as they like, and facts are kept in memory.
    for (const action of new Set<unknown>(actions)) {
      if (typeof action !== 'string') return null;
      grants.push([resource, action]);
    }
  }
  return grants;
}
