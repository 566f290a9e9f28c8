/** The pieces of SQL by which every statement finds its rows: quoted names, and comparisons of ids. */
import { type FragmentSqlToken, type IdentifierSqlToken, sql } from 'slonik';
import { type ColumnKind, type FieldColumn, type Schema, tablesOf } from './models.ts';

/** A text to compare with: bound when the statement is made, or a placeholder such as `$1` that is bound for each read. */
export type TextValue = string | FragmentSqlToken;

/** A table with its schema, quoted. */
export function tableName({ schema, table }: { readonly schema: string; readonly table: string }): IdentifierSqlToken {
  return sql.identifier([schema, table]);
}

/** A column of an aliased table, quoted. */
export function columnOf(alias: string, column: FieldColumn): IdentifierSqlToken {
  return sql.identifier([alias, column.name]);
}

/**
 * Whether a column can hold an id in exactly this form. PostgreSQL reads `A0EE…` and `a0ee…` as the same uuid, and
 * `007` as 7. Here each row has one form: two would mean two cache entries, and an event clears only one of them.
 * A `char(n)` alone has two: without its padding, as applications write ids, and with all of it, as Better Auth reads them.
 * A change of one is a change of the other (src/facts).
 */
export function canHold(column: FieldColumn, id: string): boolean {
  if (column.type === 'uuid') return UUID.test(id);
  if (column.type === 'numeric') return INTEGER.test(id) && id.length <= MAX_DIGITS;
  const limit = INTEGER_LIMITS[column.type];
  if (limit !== undefined) {
    if (!INTEGER.test(id) || id.length > 20) return false;
    const value = BigInt(id);
    return value >= -limit && value < limit;
  }
  if (column.type === 'character' && id.endsWith(' ') && [...id].length !== column.length) return false;
  return !id.includes('\0');
}

/**
 * Whether a column has this value, byte for byte. A collation or citext may equate more, and one user would get the roles
 * of another. Only such a column is compared twice, which costs 8 % of a read of facts. Call this only if {@link canHold}
 * is true for the value: the cast fails for any other.
 */
export function equals(alias: string, column: FieldColumn, value: TextValue): FragmentSqlToken {
  const found = matches(alias, column, value);
  if (isExact(column)) return found;
  const text = column.kind === 'character' ? sql.fragment`rtrim(${value}::text, ' ')` : sql.fragment`${value}::text`;
  return sql.fragment`(${found} AND ${columnOf(alias, column)}::text = ${text} COLLATE "C")`;
}

/** Whether a column has this value by its own equality. The value is cast to the column's type, so that an index serves. */
export function matches(alias: string, column: FieldColumn, value: TextValue): FragmentSqlToken {
  return isEqual(alias, column, cast(column, sql.fragment`${value}::text`));
}

/**
 * How the ids of one column are looked up in another. Better Auth compares ids as text in JavaScript, so that a foreign key
 * without a constraint may have another type than the column that it refers to.
 */
export interface IdLink {
  /** The id of a row, by which rows are grouped and ordered. */
  readonly id: FragmentSqlToken;
  /** Whether `id` comes after a value. Call this only if {@link canHold} of the column is true for the value. */
  follows(id: FragmentSqlToken, value: string): FragmentSqlToken;
  /** Whether the other column, of an aliased table, has this id: by an index, and without an error for any id. */
  isIn(alias: string, id: FragmentSqlToken): FragmentSqlToken;
}

/** @param alias The table with the column `from`. */
export function linkIds(alias: string, from: FieldColumn, to: FieldColumn): IdLink {
  const column = columnOf(alias, from);
  if (areAlike(from, to)) {
    return {
      id: sql.fragment`${column}`,
      follows: (id, value) => sql.fragment`${id} > ${cast(from, sql.fragment`${value}::text`)}`,
      isIn: (other, id) => sql.fragment`${columnOf(other, to)} = ${id}`,
    };
  }
  // Compared by bytes, whatever the collations. Better Auth copies an id together with the padding of its column. Without
  // the padding both forms are one id, and the organization is listed once.
  const text = to.kind === 'character' ? sql.fragment`rtrim(${column}::text, ' ')` : sql.fragment`${column}::text`;
  return {
    id: sql.fragment`${text} COLLATE "C"`,
    follows: (id, value) => sql.fragment`${id} > ${value}::text`,
    isIn: (other, id) => {
      const found = isEqual(other, to, castIfValid(to, id));
      return isExact(to) ? found : sql.fragment`(${found} AND ${columnOf(other, to)}::text = ${id} COLLATE "C")`;
    },
  };
}

/** A column whose comparison names an object of a database schema, on which the role needs USAGE. */
export interface SchemaUse {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
}

/** The schemas of citext and of collations that statements name, without PostgreSQL's own. */
export function schemasCompared(schema: Schema): readonly SchemaUse[] {
  const { organizations } = schema;
  const uses = tablesOf(schema).flatMap(({ table, columns }) =>
    COMPARED.flatMap((field) => {
      const column = columns[field];
      return column?.kind === 'citext' ? [{ schema: column.typeSchema, table, column: column.name }] : [];
    }),
  );
  if (organizations !== null) {
    const { member, organization } = organizations;
    const { id } = organization.columns;
    // `linkIds` names the collation when it casts an id for these two columns.
    if (id.collation !== null && !areAlike(member.columns.organizationId, id)) {
      uses.push({ schema: id.collation[0], table: organization.table, column: id.name });
    }
  }
  return uses.filter((use) => use.schema !== 'pg_catalog');
}

/** The fields by which rows are found. */
const COMPARED = ['id', 'email', 'slug', 'organizationId', 'userId'] as const;

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const INTEGER = /^(?:0|-?[1-9]\d*)$/;
const INTEGER_LIMITS: Readonly<Record<string, bigint>> = {
  smallint: 2n ** 15n,
  integer: 2n ** 31n,
  bigint: 2n ** 63n,
};
/** Far below the limit of PostgreSQL's numeric. */
const MAX_DIGITS = 512;

/** Kinds whose operators of equality and order are in one operator family, which one index serves. */
const ALIKE: readonly (readonly ColumnKind[])[] = [['text'], ['character'], ['uuid'], ['integer', 'bigint']];

/** Whether the column's own equality is that of bytes. A numeric takes `7` and `7.0` for equal. */
function isExact({ kind, deterministic }: FieldColumn): boolean {
  return deterministic && kind !== 'citext' && kind !== 'numeric';
}

/** Whether two columns can be compared as they are, with an index on either: by one collation, byte for byte. */
function areAlike(one: FieldColumn, other: FieldColumn): boolean {
  const kinds = ALIKE.find((alike) => alike.includes(one.kind)) ?? [];
  const sameCollation = one.collation?.join('.') === other.collation?.join('.');
  return kinds.includes(other.kind) && sameCollation && isExact(one) && isExact(other);
}

/** citext's operator is named with its schema: outside the search path `=` is the operator of text, which no index serves. */
function isEqual(alias: string, column: FieldColumn, value: FragmentSqlToken): FragmentSqlToken {
  return column.kind === 'citext'
    ? sql.fragment`${columnOf(alias, column)} OPERATOR(${sql.identifier([column.typeSchema])}.=) ${value}`
    : sql.fragment`${columnOf(alias, column)} = ${value}`;
}

/** A text as a value of the column's type. */
function cast({ kind, typeSchema }: FieldColumn, text: FragmentSqlToken): FragmentSqlToken {
  switch (kind) {
    case 'uuid':
      return sql.fragment`${text}::uuid`;
    case 'integer':
    case 'bigint':
      return sql.fragment`${text}::int8`;
    case 'numeric':
      return sql.fragment`${text}::numeric`;
    case 'character':
      return sql.fragment`${text}::bpchar`;
    case 'citext':
      return sql.fragment`${text}::${sql.identifier([typeSchema, 'citext'])}`;
    default:
      return text;
  }
}

/** Like {@link cast}, for any text: NULL for a text that is not a value of the type, where a cast could fail. */
function castIfValid(column: FieldColumn, text: FragmentSqlToken): FragmentSqlToken {
  const value = cast(column, text);
  switch (column.kind) {
    case 'uuid':
      return sql.fragment`CASE WHEN ${text} ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN ${value} END`;
    case 'integer':
    case 'bigint':
      return sql.fragment`CASE WHEN ${text} ~ '^(0|-?[1-9][0-9]{0,18})$'
        THEN CASE WHEN ${text}::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN ${value} END END`;
    case 'numeric':
      return sql.fragment`CASE WHEN ${text} ~ '^(0|-?[1-9][0-9]*)$' AND length(${text}) <= 512 THEN ${value} END`;
    default:
      return column.collation === null
        ? value
        : sql.fragment`${value} COLLATE ${sql.identifier([...column.collation])}`;
  }
}
