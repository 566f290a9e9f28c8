/** Better Auth's models as far as Assent reads them: which fields, in which tables. */

/** A column of a model. */
export interface FieldColumn {
  readonly name: string;
  readonly type: string;
  /** Whether its collation takes only the same bytes for equal; others equate what differs in case or accents. */
  readonly deterministic: boolean;
}

/** A model's table with the columns of the fields that it has. */
export interface ModelTable<Required extends string, Optional extends string = never> {
  /** The database schema that has the table. */
  readonly schema: string;
  readonly table: string;
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

/** The tables that were found. */
export const tablesOf = ({ user, organizations, organizationRole, jwks }: Schema): readonly ModelTable<never>[] =>
  [user, organizations?.organization, organizations?.member, organizationRole, jwks].filter((table) => table != null);
