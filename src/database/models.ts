/** Better Auth's models as far as Assent reads them: which fields, in which tables. */

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
  /** Below any domain, without length: `text`, `integer`, `extensions.citext`. The same whatever the search path. */
  readonly type: string;
  readonly kind: ColumnKind;
  /** The database schema of the type, which also has its operators. */
  readonly typeSchema: string;
  /** How many characters a `char(n)` is padded to; null for other types. */
  readonly length: number | null;
  /** Schema and name of its collation; null for types that have none. */
  readonly collation: readonly [schema: string, name: string] | null;
  /** Whether its collation takes only the same bytes for equal; others equate what differs in case or accents. */
  readonly deterministic: boolean;
}

/** A table by its name. */
interface TableReference {
  readonly schema: string;
  readonly table: string;
}

/** What the catalog says of a table's relation. */
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
export interface ModelTable<Required extends string, Optional extends string = never> {
  /** The database schema that has the table. */
  readonly schema: string;
  readonly table: string;
  /** Not there before the catalog was asked. */
  readonly relation?: RelationFacts;
  readonly columns: Readonly<Record<Required, FieldColumn>> & Readonly<Partial<Record<Optional, FieldColumn>>>;
}

/** What Assent reads of each model, and what its table may be called. */
export const MODELS = {
  user: {
    tables: ['users', 'user'],
    required: ['id', 'name', 'email', 'emailVerified', 'image', 'createdAt', 'updatedAt'],
    // The admin plugin adds these; without it nobody is banned and everybody has the default platform role.
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

/** Where everything is. A model that is null has no table: its plugin is not in use. */
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

/** The tables that were found, each with its model. */
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
export const tablesOf = (schema: Schema): readonly AnyTable[] => [...tablesByModel(schema).values()];
