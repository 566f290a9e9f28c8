/** Users by id and by e-mail address. No column of sessions, accounts or keys is selected. */
import { type FragmentSqlToken, type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Demand } from '../admission/demand.ts';
import type { Ban } from '../policy/facts.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { canHold, equals, matches, tableName } from './sql.ts';
import {
  banOf,
  flagOf,
  type OnUnreadable,
  platformRoles,
  readable,
  rolesFormOf,
  rolesOf,
  textOf,
  time,
  timeOf,
} from './values.ts';

/** A user as stored. Times are milliseconds since the epoch; null where none is stored, or it cannot be read. */
export interface UserRecord {
  readonly id: string;
  readonly name: string;
  /** Empty when the user has none. */
  readonly email: string;
  readonly emailVerified: boolean;
  readonly image: string | null;
  readonly roles: readonly string[];
  readonly ban: Ban | null;
  readonly banReason: string | null;
  readonly createdAt: number | null;
  readonly updatedAt: number | null;
}

/** Reads the user with an id; null when there is none. */
export async function readUserById(
  db: Database,
  schema: Schema,
  id: string,
  onUnreadable: OnUnreadable,
  demand?: Demand,
): Promise<UserRecord | null> {
  const column = schema.user.columns.id;
  if (!canHold(column, id)) return null;
  const [row] = await db.rows(select(schema, equals('u', column, id)), userRow, demand);
  return row === undefined ? null : toUser(schema, row, onUnreadable);
}

/**
 * Reads the user with an e-mail address as Better Auth finds it: by the address in lower case, and by the column's own
 * equality, which ignores case for citext and some collations.
 */
export async function readUserByEmail(
  db: Database,
  schema: Schema,
  email: string,
  onUnreadable: OnUnreadable,
  demand?: Demand,
): Promise<UserRecord | null> {
  const column = schema.user.columns.email;
  const lower = email.toLowerCase();
  if (!canHold(column, lower)) return null;
  const rows = await db.rows(select(schema, matches('u', column, lower)), userRow, demand);
  // Better Auth compares once more, too: a collation that ignores accents equates the addresses of two people.
  const row = rows.find((one) => one.email === lower) ?? rows.find((one) => folded(one.email ?? '') === folded(email));
  return row === undefined ? null : toUser(schema, row, onUnreadable);
}

const userRow = z.object({
  id: z.string(),
  name: z.string().nullable(),
  email: z.string().nullable(),
  emailVerified: z.boolean().nullable(),
  image: z.string().nullable(),
  role: z.string().nullable(),
  banned: z.boolean().nullable(),
  banReason: z.string().nullable(),
  banExpires: time,
  createdAt: time,
  updatedAt: time,
});

function folded(email: string): string {
  return email.normalize('NFC').toLowerCase();
}

function select(schema: Schema, condition: FragmentSqlToken): QuerySqlToken {
  const { columns } = schema.user;
  return sql.unsafe`SELECT ${textOf('u', columns.id)} AS "id", ${textOf('u', columns.name)} AS "name",
      ${textOf('u', columns.email)} AS "email", ${flagOf('u', columns.emailVerified)} AS "emailVerified",
      ${textOf('u', columns.image)} AS "image", ${rolesOf('u', columns.role)} AS "role",
      ${flagOf('u', columns.banned)} AS "banned", ${textOf('u', columns.banReason)} AS "banReason",
      ${timeOf('u', columns.banExpires)} AS "banExpires",
      ${timeOf('u', columns.createdAt)} AS "createdAt", ${timeOf('u', columns.updatedAt)} AS "updatedAt"
    FROM ${tableName(schema.user)} u
    WHERE ${condition}`;
}

function toUser(schema: Schema, row: z.infer<typeof userRow>, onUnreadable: OnUnreadable): UserRecord {
  const { banned, banExpires, role, ...rest } = row;
  const { roles, unreadable } = platformRoles(role, rolesFormOf(schema.user.columns.role));
  if (unreadable > 0) onUnreadable('user.role');
  return {
    ...rest,
    name: row.name ?? '',
    email: row.email ?? '',
    emailVerified: row.emailVerified === true,
    roles,
    ban: banOf(banned, banExpires, onUnreadable),
    createdAt: readable(row.createdAt, 'user.createdAt', onUnreadable),
    updatedAt: readable(row.updatedAt, 'user.updatedAt', onUnreadable),
  };
}
