/**
 * Where Better Auth's models are in this database: pure, from a list of columns to a schema or a list of what is missing.
 * Applications name tables in the singular or the plural, columns in camelCase or snake_case, and rename any of them.
 */
import { type FieldColumn, MODELS, type ModelName, type ModelTable, type Schema, type TableOf } from './models.ts';

/** One column of the database, as the catalog has it. */
export interface Column extends Omit<FieldColumn, 'name'> {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** Whether the connection's role may read it. */
  readonly readable: boolean;
}

/** How the operator says that models are named: `ASSENT_NAMING`, parsed. */
export interface Naming {
  /** Which table names to look for. */
  readonly tables: 'auto' | 'plural' | 'singular';
  /** Renamed models and fields: `user` or `user.email` to the name in the database; {@link OFF} for a model left alone. */
  readonly renamed: ReadonlyMap<string, string>;
}

/** The schema is not one that can be read. The message lists everything that is missing and what to do. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/**
 * Says that a plugin's table is not to be read though it is there: Better Auth itself does not look at organizationRole
 * while dynamic access control is off.
 */
const OFF = 'off';
const optionalModels: ReadonlySet<string> = new Set(['organizationRole', 'jwks']);

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

/** A table or view with its columns by name. */
interface Relation {
  readonly schema: string;
  readonly table: string;
  readonly columns: ReadonlyMap<string, Column>;
}
type Tables = ReadonlyMap<string, Relation>;
type Found = { readonly kind: 'found'; readonly table: ModelTable<string, string> };
type Missing = { readonly kind: 'missing'; readonly problem: string; readonly tableExists: boolean };

/**
 * What the admin plugin's table lacks of what decisions are made from. A part of the plugin is a column of another name, and
 * never a plugin that is absent: nobody would be banned, or everybody would have the default role.
 */
const absentOfAdmin = (model: ModelName, columns: Readonly<Record<string, FieldColumn>>): readonly string[] =>
  model === 'user' && (columns['banReason'] ?? columns['banExpires']) !== undefined
    ? ['role', 'banned', 'banExpires'].filter((field) => columns[field] === undefined)
    : [];

const fieldColumn = ({
  column: name,
  schema: _schema,
  table: _table,
  readable: _readable,
  ...type
}: Column): FieldColumn => ({
  name,
  ...type,
});

/** One table as a model: its columns, or what is wrong with it. */
const readTable = (
  model: ModelName,
  { schema, table, columns: available }: Relation,
  naming: Naming,
): ModelTable<string, string> | string => {
  const { required, optional } = MODELS[model];
  const columns: Record<string, FieldColumn> = {};
  const absent: string[] = [];
  const hidden: string[] = [];
  const doubtful: string[] = [];
  for (const field of [...required, ...optional]) {
    const renamed = naming.renamed.get(`${model}.${field}`);
    const names = renamed === undefined ? [...new Set([field, snakeCase(field)])] : [renamed];
    const [column, other] = names.flatMap((name) => available.get(name) ?? []);
    // One of them was left behind by a change of names, and says what was true before it.
    if (column !== undefined && other !== undefined) {
      doubtful.push(
        `has both "${column.column}" and "${other.column}": say which with ASSENT_NAMING=${model}.${field}=${column.column}`,
      );
    } else if (column?.readable === true) columns[field] = fieldColumn(column);
    // Also of an optional field: without the grant on `banned` nobody would be banned, and nothing would say so.
    else if (column !== undefined) hidden.push(column.column);
    else if (renamed !== undefined || (required as readonly string[]).includes(field)) absent.push(names.join(' or '));
  }
  const faults = [
    ...(absent.length > 0 ? [`lacks the columns ${absent.join(', ')}`] : []),
    ...(hidden.length > 0 ? [`does not grant this role SELECT on ${hidden.join(', ')}`] : []),
    ...doubtful,
  ];
  const lacking = faults.length === 0 ? absentOfAdmin(model, columns) : [];
  if (lacking.length > 0) {
    faults.push(
      `has only some of the admin plugin's columns, and lacks ${lacking.join(', ')}: say what they are called with ASSENT_NAMING=${model}.${lacking[0]}=…`,
    );
  }
  return faults.length === 0 ? { schema, table, columns } : `table "${table}" (${model}) ${faults.join(' and ')}`;
};

const findModel = (model: ModelName, naming: Naming, tables: Tables): Found | Missing => {
  const candidates = candidateTables(model, naming);
  const complete: ModelTable<string, string>[] = [];
  const problems: string[] = [];
  for (const table of candidates) {
    const relation = tables.get(table);
    if (relation === undefined) continue;
    // Keys may come from a URL instead, and then nothing grants this table: no key is read from it, no check allowed.
    if (model === 'jwks' && [...relation.columns.values()].every(({ readable }) => !readable)) continue;
    const read = readTable(model, relation, naming);
    if (typeof read === 'string') problems.push(read);
    else complete.push(read);
  }
  const [first, second] = complete;
  if (first !== undefined && second !== undefined) {
    const problem = `both "${first.table}" and "${second.table}" look like ${model}: say which with ASSENT_NAMING=${model}=${first.table}`;
    return { kind: 'missing', problem, tableExists: true };
  }
  if (first !== undefined) return { kind: 'found', table: first };
  if (problems.length > 0) return { kind: 'missing', problem: problems.join('; '), tableExists: true };
  const problem = `no table ${candidates.map((table) => `"${table}"`).join(' or ')} (${model})`;
  return { kind: 'missing', problem, tableExists: naming.renamed.has(model) };
};

/** Tables by their names: of two with one name that of the first schema, as PostgreSQL takes it. */
const tablesByName = (searchPath: readonly string[], columns: readonly Column[]): Tables => {
  const tables = new Map<string, Relation & { readonly columns: Map<string, Column> }>();
  for (const name of searchPath) {
    for (const column of columns) {
      if (column.schema !== name) continue;
      const known = tables.get(column.table) ?? { schema: name, table: column.table, columns: new Map() };
      if (known.schema === name) tables.set(column.table, known);
      if (known.schema === name) known.columns.set(column.column, column);
    }
  }
  return tables;
};

/**
 * Finds every model among the columns of the database schemas of a search path.
 * @throws {SchemaError} when users cannot be read, or when a plugin's tables are there only in part.
 */
export const resolveSchema = (searchPath: readonly string[], columns: readonly Column[], naming: Naming): Schema => {
  const tables = tablesByName(searchPath, columns);
  const name = searchPath.join(', ');
  if (tables.size === 0) {
    throw new SchemaError(
      `The database schema "${name}" cannot be read as Better Auth's: it is not there or has no tables. ` +
        "Check DATABASE_URL and ASSENT_DB_SCHEMA, and whether Better Auth's migrations have run.",
    );
  }
  const problems: string[] = [];
  const find = <M extends ModelName>(model: M, need: 'required' | 'optional'): TableOf<M> | null => {
    if (optionalModels.has(model) && naming.renamed.get(model) === OFF) return null;
    const result = findModel(model, naming, tables);
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
  return { user, organizations, organizationRole, jwks };
};
