/**
 * How stored values are read: the SQL that selects a column of any type that its field may have, and the parsing of the
 * selected value. An unreadable value makes neither other rows nor the call fail.
 */
import { type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { Ban } from '../policy/facts.ts';
import type { FieldColumn } from './models.ts';
import { columnOf } from './sql.ts';

/** Called for each value that cannot be read, with its field, for example `user.banExpires`. */
export type OnUnreadable = (field: string) => void;

/** A column as text, or NULL where the database has no such column. */
export function textOf(alias: string, column: FieldColumn | undefined): FragmentSqlToken {
  return column === undefined ? sql.fragment`NULL::text` : sql.fragment`${columnOf(alias, column)}::text`;
}

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
    // Other libraries store the time at which the flag became true.
    case 'time':
      return sql.fragment`(${name} IS NOT NULL)`;
    default:
      return sql.fragment`(lower(${name}::text) IN ('true', 't', 'yes', 'y', 'on', '1'))`;
  }
}

/**
 * Stored roles, for {@link memberRoles} and {@link platformRoles}: as text, or an array as JSON; NULL where the database has
 * no such column. The text is cut off one character after {@link MAX_ROLES_LENGTH}, which shows that it was cut off.
 */
export function rolesOf(alias: string, column: FieldColumn | undefined): FragmentSqlToken {
  if (column === undefined) return sql.fragment`NULL::text`;
  const name = columnOf(alias, column);
  return column.kind === 'list'
    ? sql.fragment`left(to_json(${name})::text, 65537)`
    : sql.fragment`left(${name}::text, 65537)`;
}

/** The form in which {@link rolesOf} selects a row: as text, or as the JSON of a list or a text. */
export type RolesForm = 'text' | 'json';

export function rolesFormOf(column: FieldColumn | undefined): RolesForm {
  return column?.kind === 'list' || column?.kind === 'json' ? 'json' : 'text';
}

/** Stored roles, each once, and how many rows could not be read. */
export interface StoredRoles {
  readonly roles: readonly string[];
  readonly unreadable: number;
}

/**
 * The union of the roles of member rows: split at commas, trimmed, without empty names, each once, in stored order.
 * @param rows As {@link rolesOf} selects them.
 */
export function memberRoles(rows: readonly (string | null)[], form: RolesForm): StoredRoles {
  const roles = new Set<string>();
  let unreadable = 0;
  for (const row of rows) {
    if (row === null) continue;
    const stored = form === 'text' ? { names: namesIn(row), unreadable: 0 } : parseList(row);
    unreadable += stored.unreadable;
    for (const name of stored.names ?? []) {
      const role = name.trim();
      if (role !== '') roles.add(role);
    }
  }
  return { roles: [...roles], unreadable };
}

/**
 * The platform roles of a user: split at commas and not trimmed, as in Better Auth's admin plugin. Returns no role only when
 * nothing is stored; only then does the default role apply. A value of just commas, an empty list or roles that cannot be
 * read become a role name that no policy defines, so that they do not get the default.
 */
export function platformRoles(stored: string | null, form: RolesForm): StoredRoles {
  if (stored === null || stored === '') return { roles: [], unreadable: 0 };
  const { names, unreadable } = form === 'text' ? { names: namesIn(stored), unreadable: 0 } : parseList(stored);
  if (names === null) return { roles: [], unreadable };
  const roles = [...new Set(names)].filter((role) => role !== '');
  if (roles.length > 0) return { roles, unreadable };
  return { roles: [form === 'text' ? stored : ','], unreadable };
}

/**
 * A column for {@link time}: a number, or the text of a text column; NULL where the database has no such column.
 * `extract(epoch …)` reads a `timestamp` without time zone as UTC, which is how Drizzle stores it, and depends neither on a
 * type parser nor on the session's time zone.
 */
export function timeOf(alias: string, column: FieldColumn | undefined): FragmentSqlToken {
  if (column === undefined) return sql.fragment`NULL::float8`;
  const name = columnOf(alias, column);
  if (isText(column)) return sql.fragment`left(${name}::text, 100)`;
  if (column.kind !== 'time') {
    // Better Auth takes 0 for no time, too. A number outside of these years may count seconds, by which a ban would have
    // ended in 1970. It becomes NaN, which `min` takes only where there is no other value.
    return sql.fragment`(CASE WHEN ${name} = 0 THEN NULL WHEN ${name} BETWEEN ${SINCE_2000} AND ${UNTIL_9999} THEN ${name}::float8
      WHEN ${name} IS NOT NULL THEN 'NaN'::float8 END)`;
  }
  return sql.fragment`(extract(epoch FROM ${name}) * 1000)::float8`;
}

/** The earliest of the times that {@link timeOf} selected as `times`, for {@link earliest}. */
export function earliestOf(column: FieldColumn, times: FragmentSqlToken): FragmentSqlToken {
  return isText(column) ? sql.fragment`array_agg(${times})` : sql.fragment`min(${times})`;
}

/**
 * A time in milliseconds since the epoch, infinite for PostgreSQL's `infinity`; null where none is stored, NaN where one is
 * stored that cannot be read.
 */
export const time = z
  .custom<number | string | null>((value) => value === null || typeof value === 'number' || typeof value === 'string')
  .transform((value) => (typeof value === 'string' ? parseTime(value) : value));

/** The earliest of several times, in the form of {@link time}; NaN only where none of them can be read. */
export const earliest = z.union([
  time,
  z.array(time).transform((times) => {
    const stored = times.filter((one) => one !== null);
    const read = stored.filter((one) => !Number.isNaN(one));
    return read.length > 0 ? Math.min(...read) : (stored[0] ?? null);
  }),
]);

/** A stored time, or null where none is stored or it cannot be read. */
export function readable(stored: number | null, field: string, onUnreadable: OnUnreadable): number | null {
  if (!Number.isNaN(stored)) return stored;
  onUnreadable(field);
  return null;
}

/** The ban of a user. It has no end if none is stored, if the end is infinite, or if it cannot be read. */
export function banOf(banned: boolean | null, expires: number | null, onUnreadable: OnUnreadable): Ban | null {
  if (banned !== true) return null;
  const until = readable(expires, 'user.banExpires', onUnreadable);
  return { until: Number.isFinite(until) ? until : null };
}

/**
 * How much of a row's roles is read, in characters: the members of an organization can repeat a role as often as they like.
 * {@link rolesOf} selects one character more.
 */
const MAX_ROLES_LENGTH = 65_536;

/** The names in a text. The last name of a text that was cut off is dropped: it may be a part of another name. */
function namesIn(text: string): readonly string[] {
  const names = text.split(',');
  return text.length > MAX_ROLES_LENGTH ? names.slice(0, -1) : names;
}

const UNREADABLE = { names: [], unreadable: 1 } as const;

/** The names in a JSON list or text; null where none is stored. */
function parseList(json: string): { readonly names: readonly string[] | null; readonly unreadable: number } {
  if (json.length > MAX_ROLES_LENGTH) return UNREADABLE;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return UNREADABLE;
  }
  if (value === null || value === '') return { names: null, unreadable: 0 };
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  // A json column can hold a lone surrogate, which is replaced by another character on the way to a caller.
  const texts = items.filter((item): item is string => typeof item === 'string' && item.isWellFormed());
  // All or none: Better Auth fails on a list with an item that is no text.
  if (texts.length < items.length) return UNREADABLE;
  return { names: texts.flatMap((text) => text.split(',')), unreadable: 0 };
}

const SINCE_2000 = sql.fragment`946684800000`;
const UNTIL_9999 = sql.fragment`253402300799999`;

function isText({ kind }: FieldColumn): boolean {
  return ['text', 'character', 'citext'].includes(kind);
}

/** ISO 8601, and the form in which PostgreSQL writes times. */
const ISO = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?) ?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;
/** The forms of JavaScript's `String(new Date())` and `toUTCString`. */
const JAVASCRIPT = /^(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat),? [\w ]+ [\d:]+ GMT(?:[+-]\d{4})?(?: \([^()]*\))?$/;

/**
 * Parses a stored text. Without a zone it is UTC, like a `timestamp`. Other texts are not given to `Date.parse`, which reads
 * `room 7` as a day of 2001 and a text without zone by the time zone of this process.
 * @returns NaN for a text that is no time.
 */
function parseTime(text: string): number | null {
  if (text === '') return null;
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  const [, day, clock = '00:00', zone = 'Z'] = ISO.exec(text) ?? [];
  if (day === undefined) return JAVASCRIPT.test(text) ? Date.parse(text) : Number.NaN;
  // PostgreSQL writes `+02`, other programs `+0200`.
  const [, hours, minutes = '00'] = /^([+-]\d\d):?(\d\d)?$/.exec(zone) ?? [];
  return Date.parse(`${day}T${clock}${hours === undefined ? 'Z' : `${hours}:${minutes}`}`);
}
