/** Pieces of SQL that every statement is made of. */
import { type FragmentSqlToken, type IdentifierSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { FieldColumn, ModelTable } from './models.ts';

/** A table with its schema, quoted. */
export const tableName = ({ schema, table }: Pick<ModelTable<never>, 'schema' | 'table'>): IdentifierSqlToken =>
  sql.identifier([schema, table]);

/** A column of an aliased table, quoted. */
export const columnOf = (alias: string, column: FieldColumn): IdentifierSqlToken =>
  sql.identifier([alias, column.name]);

/**
 * A timestamp as milliseconds since the epoch. `extract(epoch …)` reads a `timestamp` without zone as UTC, which is what
 * Drizzle stores, and needs neither a type parser nor the session's time zone.
 */
export const epochMillis = (alias: string, column: FieldColumn | undefined): FragmentSqlToken =>
  column === undefined
    ? sql.fragment`NULL::float8`
    : sql.fragment`(extract(epoch FROM ${columnOf(alias, column)}) * 1000)::float8`;

/** What {@link epochMillis} reads as: a number, infinite for PostgreSQL's `infinity`, which zod's own number refuses. */
export const millis = z.custom<number>((value) => typeof value === 'number' && !Number.isNaN(value), 'expected a time');

/** A column as text, or NULL where the database has no such column. */
export const textOrNull = (alias: string, column: FieldColumn | undefined): FragmentSqlToken =>
  column === undefined ? sql.fragment`NULL::text` : sql.fragment`${columnOf(alias, column)}::text`;

/** The text of a member's roles: one character more than counts, which tells that it was cut off. */
export const roleText = (alias: string, column: FieldColumn): FragmentSqlToken =>
  sql.fragment`left(${columnOf(alias, column)}::text, 65537)`;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const INTEGER = /^(?:0|-?[1-9]\d*)$/;
const INTEGER_LIMITS: Readonly<Record<string, bigint>> = {
  smallint: 2n ** 15n,
  integer: 2n ** 31n,
  bigint: 2n ** 63n,
};

/**
 * Whether a column can hold an id spelled exactly like this. PostgreSQL reads `A0EE…` and `a0ee…` as the same uuid and
 * `007` as 7; here each row has one spelling only, since two would mean two cache entries of which an event clears one.
 */
export const canHold = (column: FieldColumn, id: string): boolean => {
  if (column.type === 'uuid') return UUID.test(id);
  const limit = INTEGER_LIMITS[column.type];
  if (limit !== undefined) {
    if (!INTEGER.test(id) || id.length > 20) return false;
    const value = BigInt(id);
    return value >= -limit && value < limit;
  }
  return !id.includes('\0');
};

/** `column = value` with the value cast to the column's type, so that an index on it serves. */
const found = (alias: string, column: FieldColumn, value: string): FragmentSqlToken => {
  const name = columnOf(alias, column);
  if (column.type === 'uuid') return sql.fragment`${name} = ${value}::uuid`;
  if (column.type in INTEGER_LIMITS) return sql.fragment`${name} = ${value}::int8`;
  if (column.type === 'text' || column.type === 'character varying') return sql.fragment`${name} = ${value}::text`;
  return sql.fragment`${name}::text = ${value}::text`;
};

/**
 * Whether a column has this value, byte for byte: a collation may equate more, and the roles of one user would be
 * another's. Only such a column is compared twice, which costs 8 % of a read of facts. Call only where {@link canHold}
 * says yes: the cast of anything else fails.
 */
export const equals = (alias: string, column: FieldColumn, value: string): FragmentSqlToken =>
  column.deterministic
    ? found(alias, column, value)
    : sql.fragment`(${found(alias, column, value)} AND ${columnOf(alias, column)}::text = ${value}::text COLLATE "C")`;
