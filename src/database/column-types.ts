/** What the types of PostgreSQL are to Assent, and which of them the column of a field may have. Pure. */
import { type ColumnKind, type ModelName, type Schema, tablesByModel } from './models.ts';
import { SchemaError } from './naming.ts';

/** A type as the catalog has it: below any domain; for an array that of its elements, which may be a domain. */
export interface CatalogType {
  /** The database schema of the type. */
  readonly schema: string;
  /** `pg_type.typname`, for example `int4`. */
  readonly name: string;
  readonly isEnum: boolean;
  readonly isArray: boolean;
  /** Whether it is a numeric with digits after the point, by which the id 7 has the spelling 7.00. */
  readonly isScaled: boolean;
}

/** How statements treat a type. An array is a list where pg reads it as one. */
export function kindOf({ schema, name, isEnum, isArray, isScaled }: CatalogType): ColumnKind {
  const isBuiltIn = schema === 'pg_catalog';
  if (isArray) return isBuiltIn && LISTED.has(name) ? 'list' : 'other';
  if (isScaled) return 'other';
  if (isEnum) return 'enum';
  if (name === 'citext') return 'citext';
  return (isBuiltIn ? BUILT_IN.get(name) : undefined) ?? 'other';
}

/**
 * Looks whether every column has a type that its field is read from. Here and not at the first read: a type that reads as
 * something else would deny everybody in silence, or fail every call.
 * @throws {SchemaError} naming each column, its type and the types that are wanted.
 */
export function checkTypes(schema: Schema): void {
  const problems: string[] = [];
  for (const [model, { table, columns }] of tablesByModel(schema)) {
    for (const [field, reading] of Object.entries(READINGS[model])) {
      const column = columns[field];
      if (column === undefined || reading.kinds.includes(column.kind)) continue;
      problems.push(
        `column "${column.name}" of table "${table}" (${model}.${field}) is of type ${column.type}, and ${reading.wanted} is wanted`,
      );
    }
  }
  if (problems.length === 0) return;
  throw new SchemaError(
    `Columns of Better Auth's tables have types that cannot be read: ${problems.join('; ')}. Change the type of the column, ` +
      'or make a view that casts it and name the view with ASSENT_NAMING (docs/operate/database.md, "Types").',
  );
}

const BUILT_IN: ReadonlyMap<string, ColumnKind> = new Map([
  ['text', 'text'],
  ['varchar', 'text'],
  ['name', 'text'],
  ['bpchar', 'character'],
  ['json', 'json'],
  ['jsonb', 'json'],
  ['uuid', 'uuid'],
  ['int2', 'integer'],
  ['int4', 'integer'],
  ['int8', 'bigint'],
  ['numeric', 'numeric'],
  ['bool', 'boolean'],
  ['timestamptz', 'time'],
  ['timestamp', 'time'],
  ['date', 'time'],
]);

/** Elements of arrays. Of an array of any other text, an enum or a domain Better Auth gets `{owner}`, which is no role. */
const LISTED: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar']);

const TEXT: readonly ColumnKind[] = ['text', 'character', 'citext'];

/** The types that a field is read from. */
interface Reading {
  readonly kinds: readonly ColumnKind[];
  /** The same for people. */
  readonly wanted: string;
}

const ID: Reading = {
  kinds: [...TEXT, 'uuid', 'integer', 'bigint', 'numeric'],
  wanted: 'text, varchar, char(n), citext, uuid, integer, bigint or numeric without a scale',
};
const ADDRESS: Reading = { kinds: TEXT, wanted: 'text, varchar, char(n) or citext' };
const NAME: Reading = { kinds: [...TEXT, 'enum'], wanted: 'text, varchar, char(n), citext or an enum' };
const ROLES: Reading = {
  kinds: [...TEXT, 'enum', 'list', 'json'],
  wanted: 'text, varchar, an enum, text[], varchar[], json or jsonb',
};
const GRANTS: Reading = { kinds: [...TEXT, 'json'], wanted: 'text, varchar, json or jsonb' };
/** No text: Better Auth takes each that is not empty for true, `false` among them. No bigint, which pg gives it as text: `0`. */
const BAN: Reading = { kinds: ['boolean', 'integer'], wanted: 'boolean, smallint or integer' };
const VERIFIED: Reading = {
  kinds: ['boolean', 'integer', 'bigint', 'time', ...TEXT],
  wanted: 'boolean, an integer, a timestamp or text',
};
/** No smaller integer: it holds no milliseconds of this century, so that a ban would seem to have ended in 1970. */
const TIME: Reading = {
  kinds: ['time', 'bigint', ...TEXT],
  wanted: 'timestamp, timestamptz, date, bigint (milliseconds since 1970) or text (ISO 8601)',
};

/** What is read otherwise than as text, which every type can be. */
const READINGS: Readonly<Record<ModelName, Readonly<Record<string, Reading>>>> = {
  user: {
    ...{ id: ID, email: ADDRESS, emailVerified: VERIFIED, createdAt: TIME, updatedAt: TIME },
    ...{ role: ROLES, banned: BAN, banExpires: TIME },
  },
  member: { organizationId: ID, userId: ID, role: ROLES, createdAt: TIME },
  organization: { id: ID, slug: ID, createdAt: TIME },
  organizationRole: { organizationId: ID, role: NAME, permission: GRANTS },
  jwks: { expiresAt: TIME },
};
