/** The models of Better Auth that Assent reads: their fields, and the tables, columns and types that hold them. Pure. */

/** How statements read and compare a column. Types that they treat alike are one kind. */
export type ColumnKind =
  | 'text'
  /** `char(n)`, which pads with blanks. */
  | 'character'
  | 'citext'
  | 'enum'
  /** An array of text. */
  | 'list'
  | 'json'
  | 'uuid'
  | 'integer'
  | 'bigint'
  | 'numeric'
  | 'boolean'
  | 'time'
  | 'other';

/** A column of a model. */
export interface FieldColumn {
  readonly name: string;
  /** Below any domain, without length: `text`, `integer`, `extensions.citext`. It does not depend on the search path. */
  readonly type: string;
  readonly kind: ColumnKind;
  /** The database schema of the type and its operators. */
  readonly typeSchema: string;
  /** How many characters a `char(n)` is padded to; null for other types. */
  readonly length: number | null;
  /** Schema and name of the collation; null for types without one. */
  readonly collation: readonly [schema: string, name: string] | null;
  /** Whether the collation equates only equal bytes; others equate texts that differ in case or accents. */
  readonly deterministic: boolean;
}

/** A table by its name. */
export interface TableReference {
  readonly schema: string;
  readonly table: string;
}

/** The properties of a table or view in the catalog. */
export interface RelationFacts {
  readonly kind: 'table' | 'partitioned' | 'view' | 'foreign';
  /** Whether row-level security is on for it, or for a table beneath a view. */
  readonly rowSecurity: boolean;
  /** The tables that a view reads. */
  readonly beneath: readonly TableReference[];
  /** The tables, itself or beneath it, whose policies hide rows from the role that reads them. */
  readonly hiddenBy: readonly (TableReference & { readonly role: string })[];
}

/** A model's table with the columns of the fields that it has. */
export interface ModelTable<Required extends string, Optional extends string = never> extends TableReference {
  /** Absent until the catalog was queried for it. */
  readonly relation?: RelationFacts;
  readonly columns: Readonly<Record<Required, FieldColumn>> & Readonly<Partial<Record<Optional, FieldColumn>>>;
}

/** The fields that Assent reads of each model, and the names that its table may have. */
export const MODELS = {
  user: {
    tables: ['users', 'user'],
    required: ['id', 'name', 'email', 'emailVerified', 'image', 'createdAt', 'updatedAt'],
    // Added by the admin plugin. Without it no user is banned, and all have the default platform role.
    optional: ['role', 'banned', 'banReason', 'banExpires'],
  },
  member: {
    tables: ['members', 'member'],
    required: ['id', 'organizationId', 'userId', 'role', 'createdAt'],
    optional: [],
  },
  organization: {
    tables: ['organizations', 'organization'],
    required: ['id', 'name', 'slug', 'logo', 'createdAt', 'metadata'],
    optional: [],
  },
  organizationRole: {
    tables: ['organizationRoles', 'organizationRole', 'organization_roles', 'organization_role'],
    required: ['organizationId', 'role', 'permission'],
    optional: [],
  },
  jwks: {
    tables: ['jwks', 'jwkss'],
    required: ['id', 'publicKey'],
    optional: ['alg', 'crv', 'expiresAt'],
  },
} as const;

type Models = typeof MODELS;
export type ModelName = keyof Models;
export type TableOf<M extends ModelName> = ModelTable<Models[M]['required'][number], Models[M]['optional'][number]>;

/** The tables of all models. A model that is null has no table: its plugin is off. */
export interface Schema {
  readonly user: TableOf<'user'>;
  /** Null without the organization plugin; then every organization check is denied. */
  readonly organizations: { readonly organization: TableOf<'organization'>; readonly member: TableOf<'member'> } | null;
  /** Null without dynamic access control. */
  readonly organizationRole: TableOf<'organizationRole'> | null;
  /** Null without the jwt plugin. */
  readonly jwks: TableOf<'jwks'> | null;
}

/** A table of any model. */
type AnyTable = ModelTable<never, string>;

/** The tables that were found, by model. */
export function tablesByModel(schema: Schema): ReadonlyMap<ModelName, AnyTable> {
  const { user, organizations, organizationRole, jwks } = schema;
  const found: readonly (readonly [ModelName, AnyTable | null | undefined])[] = [
    ['user', user],
    ['organization', organizations?.organization],
    ['member', organizations?.member],
    ['organizationRole', organizationRole],
    ['jwks', jwks],
  ];
  return new Map(found.flatMap(([model, table]) => (table == null ? [] : [[model, table] as const])));
}

/** The tables that were found. */
export function tablesOf(schema: Schema): readonly AnyTable[] {
  return [...tablesByModel(schema).values()];
}

/** The database cannot be read as Better Auth's. The message lists everything that is missing, with a remedy. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** A type in the catalog: the type below any domain; for an array the type of its elements, which may be a domain. */
export interface CatalogType {
  /** The database schema of the type. */
  readonly schema: string;
  /** `pg_type.typname`, for example `int4`. */
  readonly name: string;
  readonly isEnum: boolean;
  readonly isArray: boolean;
  /** Whether it is a numeric with digits after the point, which writes the id 7 as 7.00. */
  readonly isScaled: boolean;
}

/** How statements treat a type. An array is a list if pg parses it. */
export function kindOf({ schema, name, isEnum, isArray, isScaled }: CatalogType): ColumnKind {
  const isBuiltIn = schema === 'pg_catalog';
  if (isArray) return isBuiltIn && PARSED_ARRAYS.has(name) ? 'list' : 'other';
  if (isScaled) return 'other';
  if (isEnum) return 'enum';
  if (name === 'citext') return 'citext';
  return (isBuiltIn ? BUILT_IN.get(name) : undefined) ?? 'other';
}

/**
 * Checks that every column has a type that its field can be read from. This is checked at the start and not at the first
 * read: a type that reads as another value would deny all users without an error, or fail every call.
 * @throws {SchemaError} naming each column, its type and the types that are wanted.
 */
export function checkTypes(schema: Schema): void {
  const problems: string[] = [];
  for (const [model, { table, columns }] of tablesByModel(schema)) {
    for (const [field, types] of Object.entries(TYPES[model])) {
      const column = columns[field];
      if (column === undefined || types.kinds.includes(column.kind)) continue;
      problems.push(
        `column "${column.name}" of table "${table}" (${model}.${field}) is of type ${column.type}, and ${types.wanted} is wanted`,
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

/** Types whose arrays pg parses. An array of any other text, enum or domain reaches Better Auth as `{owner}`, which is no role. */
const PARSED_ARRAYS: ReadonlySet<string> = new Set(['text', 'varchar', 'bpchar']);

/** The types that a field can be read from. */
interface FieldTypes {
  readonly kinds: readonly ColumnKind[];
  /** The same in words, for the error. */
  readonly wanted: string;
}

const TEXT: readonly ColumnKind[] = ['text', 'character', 'citext'];
const ID: FieldTypes = {
  kinds: [...TEXT, 'uuid', 'integer', 'bigint', 'numeric'],
  wanted: 'text, varchar, char(n), citext, uuid, integer, bigint or numeric without a scale',
};
const ADDRESS: FieldTypes = { kinds: TEXT, wanted: 'text, varchar, char(n) or citext' };
const NAME: FieldTypes = { kinds: [...TEXT, 'enum'], wanted: 'text, varchar, char(n), citext or an enum' };
const ROLES: FieldTypes = {
  kinds: [...TEXT, 'enum', 'list', 'json'],
  wanted: 'text, varchar, an enum, text[], varchar[], json or jsonb',
};
const GRANTS: FieldTypes = { kinds: [...TEXT, 'json'], wanted: 'text, varchar, json or jsonb' };
/** No text: Better Auth takes every text but '' for true, also `false`. No bigint: pg returns it as text, and so `0` is true. */
const BAN: FieldTypes = { kinds: ['boolean', 'integer'], wanted: 'boolean, smallint or integer' };
const VERIFIED: FieldTypes = {
  kinds: ['boolean', 'integer', 'bigint', 'time', ...TEXT],
  wanted: 'boolean, an integer, a timestamp or text',
};
/** No smaller integer: it cannot hold the milliseconds of this century, and a ban would seem to have ended in 1970. */
const TIME: FieldTypes = {
  kinds: ['time', 'bigint', ...TEXT],
  wanted: 'timestamp, timestamptz, date, bigint (milliseconds since 1970) or text (ISO 8601)',
};

/** The fields that are not read as text. Every type can be read as text. */
const TYPES: Readonly<Record<ModelName, Readonly<Record<string, FieldTypes>>>> = {
  user: {
    ...{ id: ID, email: ADDRESS, emailVerified: VERIFIED, createdAt: TIME, updatedAt: TIME },
    ...{ role: ROLES, banned: BAN, banExpires: TIME },
  },
  member: { organizationId: ID, userId: ID, role: ROLES, createdAt: TIME },
  organization: { id: ID, slug: ID, createdAt: TIME },
  organizationRole: { organizationId: ID, role: NAME, permission: GRANTS },
  jwks: { expiresAt: TIME },
};
