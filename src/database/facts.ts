/** The facts of one (user, organization) pair in one statement. */
import { type FragmentSqlToken, type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Facts, FactsKey, OrganizationFacts, UserFacts } from '../policy/facts.ts';
import { heldDynamicRoles } from './dynamic-roles.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { RecoveryError } from './read-only-driver.ts';
import { memberRoles, platformRoles } from './roles.ts';
import { canHold, equals, tableName } from './sql.ts';
import { banOf, flagOf, type OnUnreadable, rolesFormOf, rolesOf, textOf, time, timeOf } from './values.ts';

/** With every row of facts, not once for each connection: a pooler keeps those while the servers behind it change. */
const standby = z.boolean().transform((is) => {
  if (is) throw new RecoveryError();
});

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

/** What a statement asks about; the rest is NULL in its row, so that one shape of row is all that there is. */
interface Parts {
  readonly organization: boolean;
  readonly dynamicRoles: boolean;
}

/** In the place of the ids, in a statement that is made once for all of them. */
const USER_ID = 'user id';
const ORGANIZATION_ID = 'organization id';

const dynamicRolesOf = ({ organizationRole: role, organizations }: Schema): FragmentSqlToken => {
  if (role === null) return sql.fragment`NULL::json`;
  // strpos keeps the rows of roles that nobody asked about at home; which of the rest are held is decided after the
  // member's text is split, by the same code for every role. The two columns may have different collations.
  // In a JSON text a name may be written with escapes. No literal: PostgreSQL may be set to read escapes in it.
  const isEscaped =
    rolesFormOf(organizations?.member.columns.role) === 'json'
      ? sql.fragment` OR strpos(held.role, chr(92)) > 0`
      : sql.fragment``;
  return sql.fragment`(SELECT json_agg(json_build_array(r.role, r.permission)) FROM (
      SELECT ${textOf('x', role.columns.role)} AS role, ${textOf('x', role.columns.permission)} AS permission
      FROM ${tableName(role)} x
      WHERE ${equals('x', role.columns.organizationId, ORGANIZATION_ID)}
    ) r WHERE EXISTS (SELECT FROM held WHERE strpos(held.role COLLATE "C", r.role) > 0${isEscaped}))`;
};

const statement = (schema: Schema, parts: Parts): QuerySqlToken => {
  const { user } = schema;
  const organizations = parts.organization ? schema.organizations : null;
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
      ${parts.dynamicRoles ? dynamicRolesOf(schema) : sql.fragment`NULL::json`} AS "dynamicRoles"
    FROM (SELECT) AS always
    LEFT JOIN ${tableName(user)} u ON ${equals('u', user.columns.id, USER_ID)}`;
};

/**
 * The statement for a pair. There are three, put together once: to do so for each read took a quarter of its CPU, with
 * slonik's fragments and the prepared name of a new text (docs/operate/performance.md).
 */
const createStatements = (schema: Schema) => {
  const { organizations, organizationRole } = schema;
  const ofUser = statement(schema, { organization: false, dynamicRoles: false });
  const ofMember = statement(schema, { organization: true, dynamicRoles: false });
  const whole = statement(schema, { organization: true, dynamicRoles: true });

  const templateFor = (userId: string, organizationId: string | null): QuerySqlToken => {
    const asks =
      organizations !== null &&
      organizationId !== null &&
      canHold(organizations.organization.columns.id, organizationId) &&
      canHold(organizations.member.columns.organizationId, organizationId) &&
      canHold(organizations.member.columns.userId, userId);
    if (!asks) return ofUser;
    const dynamic = organizationRole !== null && canHold(organizationRole.columns.organizationId, organizationId);
    return dynamic ? whole : ofMember;
  };
  return (userId: string, organizationId: string | null): QuerySqlToken => {
    const template = templateFor(userId, organizationId);
    const values = template.values.map((value) => (value === USER_ID ? userId : organizationId));
    return { ...template, values };
  };
};

const DISABLED: OrganizationFacts = { status: 'disabled', memberRoles: null, dynamicRoles: [] };
const ABSENT: OrganizationFacts = { status: 'absent', memberRoles: null, dynamicRoles: [] };

/** Reads the facts of a pair from PostgreSQL with one statement. */
export type FactsReader = (key: FactsKey, signal?: AbortSignal) => Promise<Facts>;

/** @param onBadRole Called with how many dynamic roles of the organization could not be read. */
export const createFactsReader = (
  db: Database,
  schema: Schema,
  onBadRole: (organizationId: string, count: number) => void,
  onUnreadable: OnUnreadable,
): FactsReader => {
  const platformForm = rolesFormOf(schema.user.columns.role);
  const memberForm = rolesFormOf(schema.organizations?.member.columns.role);
  const statementFor = createStatements(schema);
  const none: OrganizationFacts = schema.organizations === null ? DISABLED : ABSENT;
  const toUser = (row: FactsRow): UserFacts => {
    const { roles, unreadable } = platformRoles(row.platformRole, platformForm);
    if (unreadable > 0) onUnreadable('user.role');
    return { roles, ban: banOf(row.banned, row.banExpires, onUnreadable) };
  };

  return async ({ userId, organizationId }, signal) => {
    if (!canHold(schema.user.columns.id, userId)) {
      return { user: null, organization: organizationId === null ? null : none };
    }
    const [row, another] = await db.rows(statementFor(userId, organizationId), factsRow, signal);
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
};
