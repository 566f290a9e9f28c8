/**
 * Where Better Auth's models are in this database: pure, from a list of columns to a schema or a list of what is missing.
 * Applications name tables in the singular or the plural, columns in camelCase or snake_case, and rename any of them.
 */

/** One column that the connection may read, as information_schema has it. */
export interface Column {
  readonly table: string;
  readonly column: string;
  /** The SQL type to cast a parameter to, for example `text`, `uuid` or `integer`. */
  readonly type: string;
}

/** A column of a model. */
export interface FieldColumn {
  readonly name: string;
  readonly type: string;
}

/** A model's table with the columns of the fields that it has. */
export interface ModelTable<Required extends string, Optional extends string = never> {
  readonly table: string;
  readonly columns: Readonly<Record<Required, FieldColumn>> & Readonly<Partial<Record<Optional, FieldColumn>>>;
}

const MODELS = {
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
type ModelName = keyof Models;
type TableOf<M extends ModelName> = ModelTable<Models[M]['required'][number], Models[M]['optional'][number]>;

/** Where everything is. A model that is null has no table: its plugin is not in use. */
export interface Schema {
  readonly name: string;
  readonly user: TableOf<'user'>;
  /** Null without the organization plugin; then every organization check is denied. */
  readonly organizations: { readonly organization: TableOf<'organization'>; readonly member: TableOf<'member'> } | null;
  /** Null without dynamic access control. */
  readonly organizationRole: TableOf<'organizationRole'> | null;
  /** Null without the jwt plugin. */
  readonly jwks: TableOf<'jwks'> | null;
}

/** How the operator says that models are named: `ASSENT_NAMING`, parsed. */
export interface Naming {
  /** Which table names to look for. */
  readonly tables: 'auto' | 'plural' | 'singular';
  /** Renamed models and fields: `user` or `user.email` to the name in the database. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** The schema is not one that can be read. The message lists everything that is missing and what to do. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Every name that `ASSENT_NAMING` may rename. */
export const renamableNames: ReadonlySet<string> = new Set(
  Object.entries(MODELS).flatMap(([model, { required, optional }]) => [
    model,
    ...[...required, ...optional].map((field) => `${model}.${field}`),
  ]),
);

const candidateTables = (model: ModelName, naming: Naming): readonly string[] => {
  const renamed = naming.renamed.get(model);
  if (renamed !== undefined) return [renamed];
  const { tables } = MODELS[model];
  if (naming.tables === 'auto') return tables;
  // `jwks` is Better Auth's own plural and singular; `jwkss` is what its Drizzle generator makes of it.
  if (model === 'jwks') return tables;
  return tables.filter((table) => table.endsWith('s') === (naming.tables === 'plural'));
};

type Found = { readonly kind: 'found'; readonly table: ModelTable<string, string> };
type Missing = { readonly kind: 'missing'; readonly problem: string; readonly tableExists: boolean };

const findModel = (
  model: ModelName,
  naming: Naming,
  byTable: ReadonlyMap<string, ReadonlyMap<string, string>>,
): Found | Missing => {
  const { required, optional } = MODELS[model];
  const candidates = candidateTables(model, naming);
  const complete: ModelTable<string, string>[] = [];
  const problems: string[] = [];
  for (const table of candidates) {
    const available = byTable.get(table);
    if (available === undefined) continue;
    const columns: Record<string, FieldColumn> = {};
    const absent: string[] = [];
    for (const field of [...required, ...optional]) {
      const renamed = naming.renamed.get(`${model}.${field}`);
      const names = renamed === undefined ? [field, snakeCase(field)] : [renamed];
      const name = names.find((candidate) => available.has(candidate));
      if (name !== undefined) columns[field] = { name, type: available.get(name) ?? 'text' };
      else if (renamed !== undefined || (required as readonly string[]).includes(field))
        absent.push(names.join(' or '));
    }
    if (absent.length === 0) complete.push({ table, columns });
    else
      problems.push(`table "${table}" (${model}) lacks, or does not grant this role, the columns ${absent.join(', ')}`);
  }
  const [first, second] = complete;
  if (first !== undefined && second !== undefined) {
    const problem = `both "${first.table}" and "${second.table}" look like ${model}: say which with ASSENT_NAMING=${model}=${first.table}`;
    return { kind: 'missing', problem, tableExists: true };
  }
  if (first !== undefined) return { kind: 'found', table: first };
  if (problems.length > 0) return { kind: 'missing', problem: problems.join('; '), tableExists: true };
  const problem = `no table ${candidates.map((table) => `"${table}"`).join(' or ')} (${model}) that this role may read`;
  return { kind: 'missing', problem, tableExists: naming.renamed.has(model) };
};

/**
 * Finds every model among the columns of one database schema.
 * @throws {SchemaError} when users cannot be read, or when a plugin's tables are there only in part.
 */
export const resolveSchema = (name: string, columns: readonly Column[], naming: Naming): Schema => {
  const byTable = new Map<string, Map<string, string>>();
  for (const { table, column, type } of columns) {
    const known = byTable.get(table) ?? new Map<string, string>();
    known.set(column, type);
    byTable.set(table, known);
  }
  const problems: string[] = [];
  const find = <M extends ModelName>(model: M, need: 'required' | 'optional'): TableOf<M> | null => {
    const result = findModel(model, naming, byTable);
    if (result.kind === 'found') return result.table as TableOf<M>;
    if (need === 'required' || result.tableExists) problems.push(result.problem);
    return null;
  };
  const user = find('user', 'required');
  const organization = find('organization', 'optional');
  // Half of the organization plugin is a mistake in names or grants, never "organizations are off": that would deny
  // everything in silence.
  const member = find('member', organization === null ? 'optional' : 'required');
  if (organization === null && member !== null) problems.push('there is a member table but no organization table');
  const organizationRole = find('organizationRole', 'optional');
  const jwks = find('jwks', 'optional');
  if (problems.length > 0 || user === null) {
    throw new SchemaError(
      `The database schema "${name}" cannot be read as Better Auth's: ${problems.join('; ')}. ` +
        'Check DATABASE_URL, ASSENT_DB_SCHEMA, ASSENT_NAMING and the grants in docs/database.md.',
    );
  }
  const organizations = organization !== null && member !== null ? { organization, member } : null;
  return { name, user, organizations, organizationRole, jwks };
};
