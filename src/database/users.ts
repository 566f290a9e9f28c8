/** Users by id and by e-mail address. Never selects a column of sessions, accounts or keys. */
import { type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Ban } from '../permission/facts.ts';
import type { FieldColumn, Schema } from './models.ts';
import type { Database } from './pool.ts';
import { platformRoles } from './roles.ts';
import { canHold, columnOf, epochMillis, equals, millis, tableName, textOrNull } from './sql.ts';

/** A user as stored. Times are milliseconds since the epoch. */
export interface UserRecord {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly emailVerified: boolean;
  readonly image: string | null;
  readonly roles: readonly string[];
  readonly ban: Ban | null;
  readonly banReason: string | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

const userRow = z.object({
  id: z.string(),
  name: z.string().nullable(),
  email: z.string(),
  emailVerified: z.boolean().nullable(),
  image: z.string().nullable(),
  role: z.string().nullable(),
  banned: z.boolean().nullable(),
  banReason: z.string().nullable(),
  banExpires: millis.nullable(),
  createdAt: millis,
  updatedAt: millis,
});

const select = (schema: Schema, by: FieldColumn, value: string): QuerySqlToken => {
  const { columns } = schema.user;
  return sql.unsafe`SELECT ${columnOf('u', columns.id)}::text AS "id", ${columnOf('u', columns.name)} AS "name",
      ${columnOf('u', columns.email)}::text AS "email", ${columnOf('u', columns.emailVerified)} AS "emailVerified",
      ${columnOf('u', columns.image)} AS "image", ${textOrNull('u', columns.role)} AS "role",
      ${columns.banned === undefined ? sql.fragment`NULL::boolean` : columnOf('u', columns.banned)} AS "banned",
      ${textOrNull('u', columns.banReason)} AS "banReason", ${epochMillis('u', columns.banExpires)} AS "banExpires",
      ${epochMillis('u', columns.createdAt)} AS "createdAt", ${epochMillis('u', columns.updatedAt)} AS "updatedAt"
    FROM ${tableName(schema.user)} u
    WHERE ${equals('u', by, value)}`;
};

/** Reads the user whose `field` has exactly this value; null when there is none. */
export const readUser = async (
  db: Database,
  schema: Schema,
  field: 'id' | 'email',
  value: string,
): Promise<UserRecord | null> => {
  const column = schema.user.columns[field];
  if (!canHold(column, value)) return null;
  const [row] = await db.rows(select(schema, column, value), userRow);
  if (row === undefined || row[field] !== value) return null;
  const { banned, banExpires, role, ...rest } = row;
  return {
    ...rest,
    name: row.name ?? '',
    emailVerified: row.emailVerified === true,
    roles: platformRoles(role),
    ban: banned === true ? { until: Number.isFinite(banExpires) ? banExpires : null } : null,
  };
};
