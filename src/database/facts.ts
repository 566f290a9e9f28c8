/** The facts of one (user, organization) pair in one statement. */
import { type FragmentSqlToken, type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Facts, FactsKey, OrganizationFacts, UserFacts } from '../permission/facts.ts';
import { heldDynamicRoles } from './dynamic-roles.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { memberRoles, platformRoles } from './roles.ts';
import { canHold, columnOf, epochMillis, equals, millis, tableName, textOrNull } from './sql.ts';

const factsRow = z.object({
  userId: z.string().nullable(),
  platformRole: z.string().nullable(),
  banned: z.boolean().nullable(),
  banExpires: millis.nullable(),
  organizationId: z.string().nullable(),
  memberRoles: z.array(z.string().nullable()),
  dynamicRoles: z.array(z.tuple([z.string(), z.string().nullable()])).nullable(),
});
type FactsRow = z.infer<typeof factsRow>;

const dynamicRolesOf = (schema: Schema, organizationId: string): FragmentSqlToken => {
  const role = schema.organizationRole;
  const member = schema.organizations?.member;
  if (role === null || member === undefined) return sql.fragment`NULL::json`;
  if (!canHold(role.columns.organizationId, organizationId)) return sql.fragment`NULL::json`;
  // strpos keeps the rows of roles that nobody asked about at home; which of the rest are held is decided after the
  // member's text is split, by the same code for every role.
  return sql.fragment`(SELECT json_agg(json_build_array(r.role, r.permission)) FROM (
      SELECT ${columnOf('x', role.columns.role)}::text AS role, ${columnOf('x', role.columns.permission)}::text AS permission
      FROM ${tableName(schema.name, role.table)} x
      WHERE ${equals('x', role.columns.organizationId, organizationId)}
    ) r WHERE EXISTS (SELECT FROM held WHERE strpos(held.role, r.role) > 0))`;
};

const statement = (schema: Schema, userId: string, organizationId: string | null): QuerySqlToken => {
  const { user, organizations } = schema;
  const banned = user.columns.banned === undefined ? sql.fragment`NULL::boolean` : columnOf('u', user.columns.banned);
  const asks =
    organizations !== null &&
    organizationId !== null &&
    canHold(organizations.organization.columns.id, organizationId) &&
    canHold(organizations.member.columns.organizationId, organizationId) &&
    canHold(organizations.member.columns.userId, userId);
  const held = asks
    ? sql.fragment`SELECT ${columnOf('m', organizations.member.columns.role)}::text AS role
        FROM ${tableName(schema.name, organizations.member.table)} m
        WHERE ${equals('m', organizations.member.columns.userId, userId)}
          AND ${equals('m', organizations.member.columns.organizationId, organizationId)}`
    : sql.fragment`SELECT NULL::text AS role WHERE false`;
  const organization = asks
    ? sql.fragment`(SELECT ${columnOf('o', organizations.organization.columns.id)}::text
        FROM ${tableName(schema.name, organizations.organization.table)} o
        WHERE ${equals('o', organizations.organization.columns.id, organizationId)})`
    : sql.fragment`NULL::text`;
  return sql.unsafe`WITH held AS MATERIALIZED (${held})
    SELECT ${columnOf('u', user.columns.id)}::text AS "userId",
      ${textOrNull('u', user.columns.role)} AS "platformRole",
      ${banned} AS "banned",
      ${epochMillis('u', user.columns.banExpires)} AS "banExpires",
      ${organization} AS "organizationId",
      ARRAY(SELECT held.role FROM held) AS "memberRoles",
      ${asks ? dynamicRolesOf(schema, organizationId) : sql.fragment`NULL::json`} AS "dynamicRoles"
    FROM (SELECT) AS always
    LEFT JOIN ${tableName(schema.name, user.table)} u ON ${equals('u', user.columns.id, userId)}`;
};

const toUser = (row: FactsRow): UserFacts => ({
  roles: platformRoles(row.platformRole),
  // An end that is not a moment in time (infinity) is no end.
  ban: row.banned === true ? { until: Number.isFinite(row.banExpires) ? row.banExpires : null } : null,
});

const DISABLED: OrganizationFacts = { status: 'disabled', memberRoles: null, dynamicRoles: [] };
const ABSENT: OrganizationFacts = { status: 'absent', memberRoles: null, dynamicRoles: [] };

/**
 * Reads the facts of a pair from PostgreSQL with one statement.
 * @param onBadRole Called with how many dynamic roles of the organization could not be read.
 */
export const readFacts = async (
  db: Database,
  schema: Schema,
  { userId, organizationId }: FactsKey,
  onBadRole: (organizationId: string, count: number) => void,
): Promise<Facts> => {
  const none: OrganizationFacts = schema.organizations === null ? DISABLED : ABSENT;
  if (!canHold(schema.user.columns.id, userId)) {
    return { user: null, organization: organizationId === null ? null : none };
  }
  const [row] = await db.rows(statement(schema, userId, organizationId), factsRow);
  // The stored id must be spelled as the one that was asked about (see canHold): a collation may equate more.
  const user = row?.userId === userId ? toUser(row) : null;
  if (row === undefined || organizationId === null) return { user, organization: null };
  if (schema.organizations === null || row.organizationId !== organizationId) return { user, organization: none };
  const roles = row.memberRoles.length === 0 ? null : memberRoles(row.memberRoles);
  const dynamic = heldDynamicRoles(
    (row.dynamicRoles ?? []).map(([role, permission]) => ({ role, permission })),
    roles ?? [],
  );
  if (dynamic.bad > 0) onBadRole(organizationId, dynamic.bad);
  return { user, organization: { status: 'present', memberRoles: roles, dynamicRoles: dynamic.roles } };
};
