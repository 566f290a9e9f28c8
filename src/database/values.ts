/**
 * How stored values are read: the SQL that selects a column of any type that its field may have, and what becomes of the
 * value. One row that cannot be read costs no other, and no call.
 */
import { type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Ban } from '../policy/facts.ts';
import type { FieldColumn } from './models.ts';
import type { RolesForm } from './roles.ts';
import { columnOf } from './sql.ts';

/** A column as text, or NULL where the database has no such column. */
export const textOf = (alias: string, column: FieldColumn | undefined): FragmentSqlToken =>
  column === undefined ? sql.fragment`NULL::text` : sql.fragment`${columnOf(alias, column)}::text`;

/** A column as a boolean, or NULL where the database has no such column. */
export function flagOf(alias: string, column: FieldColumn | undefined): FragmentSqlToken {
  if (column === undefined) return sql.fragment`NULL::boolean`;
  const name = columnOf(alias, column);
  switch (column.kind) {
    case 'boolean':
      return sql.fragment`${name}`;
    case 'integer':
    case 'bigint':
      return sql.fragment`(${name} <> 0)`;
    // The moment at which it became true, as other libraries store it.
    case 'time':
      return sql.fragment`(${name} IS NOT NULL)`;
    default:
      return sql.fragment`(lower(${name}::text) IN ('true', 't', 'yes', 'y', 'on', '1'))`;
  }
}

/**
 * Stored roles, for roles.ts: as text or, of a list, as JSON; NULL where the database has no such column. One character
 * more than counts tells that it was cut off.
 */
export function rolesOf(alias: string, column: FieldColumn | undefined): FragmentSqlToken {
  if (column === undefined) return sql.fragment`NULL::text`;
  const name = columnOf(alias, column);
  return column.kind === 'list'
    ? sql.fragment`left(to_json(${name})::text, 65537)`
    : sql.fragment`left(${name}::text, 65537)`;
}

/** How {@link rolesOf} selects a column. */
export const rolesFormOf = (column: FieldColumn | undefined): RolesForm =>
  column?.kind === 'list' || column?.kind === 'json' ? 'json' : 'text';

/**
 * A time for {@link time}: a number or, of a text, the text; NULL where the database has no such column. `extract(epoch …)`
 * reads a `timestamp` without zone as UTC, which is what Drizzle stores, and needs neither a type parser nor the session's
 * time zone.
 */
export function timeOf(alias: string, column: FieldColumn | undefined): FragmentSqlToken {
  if (column === undefined) return sql.fragment`NULL::float8`;
  const name = columnOf(alias, column);
  if (isText(column)) return sql.fragment`left(${name}::text, 100)`;
  if (column.kind !== 'time') {
    // Better Auth takes 0 for no time, too. What is no number of milliseconds of this age may be one of seconds, by which a
    // ban would have ended in 1970: NaN, which `min` takes only where there is nothing else.
    return sql.fragment`(CASE WHEN ${name} = 0 THEN NULL WHEN ${name} BETWEEN ${SINCE_2000} AND ${UNTIL_9999} THEN ${name}::float8
      WHEN ${name} IS NOT NULL THEN 'NaN'::float8 END)`;
  }
  return sql.fragment`(extract(epoch FROM ${name}) * 1000)::float8`;
}

/** The earliest of the times that {@link timeOf} selected as `times`, for {@link earliest}. */
export const earliestOf = (column: FieldColumn, times: FragmentSqlToken): FragmentSqlToken =>
  isText(column) ? sql.fragment`array_agg(${times})` : sql.fragment`min(${times})`;

/**
 * A time in milliseconds since the epoch, infinite for PostgreSQL's `infinity`; null where none is stored, NaN where there
 * is one that cannot be read.
 */
export const time = z
  .custom<number | string | null>((value) => value === null || typeof value === 'number' || typeof value === 'string')
  .transform((value) => (typeof value === 'string' ? parseTime(value) : value));

/** The earliest of several times, by {@link time}; NaN only where none of them can be read. */
export const earliest = z.union([
  time,
  z.array(time).transform((times) => {
    const stored = times.filter((one) => one !== null);
    const read = stored.filter((one) => !Number.isNaN(one));
    return read.length > 0 ? Math.min(...read) : (stored[0] ?? null);
  }),
]);

/** Told of each value that cannot be read, by its field, for example `user.banExpires`. */
export type OnUnreadable = (field: string) => void;

/** A time that was read, or null where there is none or it cannot be read. */
export function readable(stored: number | null, field: string, onUnreadable: OnUnreadable): number | null {
  if (!Number.isNaN(stored)) return stored;
  onUnreadable(field);
  return null;
}

/** The ban of a user. It has no end where none is stored, where that is not a moment (infinity) or cannot be read. */
export function banOf(banned: boolean | null, expires: number | null, onUnreadable: OnUnreadable): Ban | null {
  if (banned !== true) return null;
  const until = readable(expires, 'user.banExpires', onUnreadable);
  return { until: Number.isFinite(until) ? until : null };
}

const SINCE_2000 = sql.fragment`946684800000`;
const UNTIL_9999 = sql.fragment`253402300799999`;

const isText = ({ kind }: FieldColumn): boolean => ['text', 'character', 'citext'].includes(kind);

/** ISO 8601, and as PostgreSQL writes times. */
const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;
/** As `String(new Date())` and `toUTCString` of JavaScript write them. */
const JAVASCRIPT = /^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat),? [\w ]+ [\d:]+ GMT(?:[+-]\d{4})?(?: \([^()]*\))?$/;

/**
 * A time of a text. Without a zone it is UTC, as that of a `timestamp`. Nothing else that `Date.parse` would take: it reads
 * `room 7` as a day of 2001, and zones by that of this process.
 */
function parseTime(text: string): number | null {
  if (text === '') return null;
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  const [, day, clock = '00:00', zone = 'Z'] = ISO.exec(text) ?? [];
  if (day === undefined) return JAVASCRIPT.test(text) ? Date.parse(text) : Number.NaN;
  // PostgreSQL writes `+02` and others `+0200`.
  const [, hours, minutes = '00'] = /^([+-]\d\d):?(\d\d)?$/.exec(zone) ?? [];
  return Date.parse(`${day}T${clock}${hours === undefined ? 'Z' : `${hours}:${minutes}`}`);
}
