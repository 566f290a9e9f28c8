/**
 * The table of one model: found, off, absent, or faulty with the names that would correct it. Pure.
 * A table with only some of the columns is an error (wrong names or missing grants). Treating it as an absent plugin could
 * silently deny or allow.
 */
import { escapeIdentifier } from 'pg';
import {
  type Catalog,
  type Column,
  candidatesFor,
  columnsFor,
  fits,
  fittingElsewhere,
  isNamed,
  isReadable,
  type Relation,
  settingValue,
  titleOf,
} from './catalog.ts';
import { type ColumnKind, type FieldColumn, MODELS, type ModelName, type ModelTable } from './models.ts';
import { columnNames, formatNaming, givenTable, isFieldOff, isModelOff, plainName } from './naming.ts';

/** A fault of a model's table, and the names that would correct it. */
export interface Fault {
  readonly text: string;
  /** The signs by which the table must exist. */
  readonly because?: readonly string[];
  /** Names for `ASSENT_NAMING`, the likeliest first; of several values for one name only the first can be set. */
  readonly names: readonly (readonly [name: string, value: string])[];
  /** Whether a table that fits is in a schema without users, or in the schema of the users: the other half of the tables. */
  readonly elsewhere?: boolean;
}

export type Result =
  | { readonly kind: 'found'; readonly table: ModelTable<string, string>; readonly fault?: never }
  | { readonly kind: 'faulty' | 'absent'; readonly table?: never; readonly fault: Fault }
  | { readonly kind: 'off'; readonly table?: never; readonly fault?: never };

/** Finds the table of a model. */
export function findModel(model: ModelName, catalog: Catalog): Result {
  const { naming } = catalog;
  const needsOrganizations = model === 'member' || model === 'organizationRole';
  if (isModelOff(model, naming) || (needsOrganizations && isModelOff('organization', naming))) return { kind: 'off' };
  // Keys may come from a URL, and then the table is not granted: that is no fault, since no key is read from it.
  const candidates = candidatesFor(model, catalog).filter((relation) => model !== 'jwks' || isReadable(relation));
  const fitting = candidates.filter((relation) => fits(model, relation, naming));
  const [first, second] = fitting;
  if (first !== undefined && second !== undefined) {
    const names = fitting.map((relation) => [model, settingValue(relation, catalog)] as const);
    const settings = names.map((name) => name.join('=')).join(' or ');
    const both = first.table === second.table ? fitting.map(titleOf) : fitting.map(({ table }) => `"${table}"`);
    const text = `both ${both.join(' and ')} look like ${model}: say which with ASSENT_NAMING=${settings}`;
    return { kind: 'faulty', fault: { text, names: [] } };
  }
  if (first !== undefined) return readTable(model, first, catalog);
  const faults = candidates.flatMap((relation) => readTable(model, relation, catalog).fault ?? []);
  if (faults.length > 0) {
    const text = faults.map(({ text: one }) => one).join('; ');
    // A table of that name may belong to another application, in a schema before the one of Better Auth.
    const away = naming.renamed.has(model) ? [] : fittingElsewhere(model, catalog);
    const names =
      away.length > 0
        ? away.map((one) => [model, settingValue(one, catalog)] as const)
        : faults.flatMap(({ names: ofOne }) => ofOne);
    return { kind: 'faulty', fault: { text: `${text}${butFound(away)}`, names } };
  }
  return absentModel(model, catalog);
}

/**
 * Where roles are in a separate table: advice to make a view that has them in a column, as Better Auth does.
 * @param columns The columns of `relation` that were found, by field.
 */
export function adviseRolesView(
  model: ModelName,
  relation: Relation,
  columns: Readonly<Record<string, FieldColumn>>,
  catalog: Catalog,
): readonly string[] {
  const { naming, onPath, elsewhere } = catalog;
  const plain = plainName(relation.table);
  const stem = plain.replace(/s$/, '');
  const roleTable = [...onPath, ...elsewhere].find(
    ({ schema, table }) =>
      schema === relation.schema &&
      [plain, stem].some((name) => [`${name}role`, `${name}roles`].includes(plainName(table))),
  );
  if (roleTable === undefined) return [];
  const names = [...roleTable.columns.keys()];
  const parent = names.find((name) => ['parentid', `${stem}id`, `${plain}id`].includes(plainName(name)));
  const value = names.find((name) => ['value', 'role', 'name'].includes(plainName(name)));
  const { id } = columns;
  if (parent === undefined || value === undefined || id === undefined) {
    return [
      `the roles may be in ${titleOf(roleTable)}: make a view that has them in a column (docs/operate/database.md, "Views")`,
    ];
  }
  const quoted = ({ schema, table }: Pick<Relation, 'schema' | 'table'>): string =>
    `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
  const view = `assent_${stem}`;
  const renamed = new Map([...naming.renamed, [model, settingValue(relation, catalog, view)]]);
  // In the view the roles have their default name.
  renamed.delete(`${model}.role`);
  const listed = Object.values(columns).map(({ name }) => `t.${escapeIdentifier(name)}`);
  const roles = `(SELECT string_agg(r.${escapeIdentifier(value)}::text, ',') FROM ${quoted(roleTable)} r WHERE r.${escapeIdentifier(parent)} = t.${escapeIdentifier(id.name)}) AS role`;
  return [
    `its roles are in ${titleOf(roleTable)}: make a view that has them in a column, CREATE VIEW ${quoted({ ...relation, table: view })} AS SELECT ${[...listed, roles].join(', ')} FROM ${quoted(relation)} t; and name it with ${formatNaming(naming, renamed)}`,
  ];
}

/** Reads one table as a model: its columns, or its fault. */
function readTable(model: ModelName, relation: Relation, catalog: Catalog): Result {
  const { naming } = catalog;
  const { required, optional } = MODELS[model];
  const columns: Record<string, FieldColumn> = {};
  const absent: string[] = [];
  const hidden: string[] = [];
  const texts: string[] = [];
  const names: [string, string][] = [];
  for (const field of [...required, ...optional]) {
    if (isFieldOff(model, field, naming)) continue;
    const isRenamed = naming.renamed.has(`${model}.${field}`);
    const [column, other] = likelierFirst(field, columnsFor(model, field, relation, naming), relation);
    // A change of names left one of the two behind, with outdated values.
    if (column !== undefined && other !== undefined) {
      texts.push(
        `has both "${column.column}" (${column.type}) and "${other.column}" (${other.type}): say which Better Auth writes, by ${model}.${field}=${column.column} or ${model}.${field}=${other.column}`,
      );
      names.push([`${model}.${field}`, column.column]);
    } else if (column?.readable === true) columns[field] = toFieldColumn(column);
    // This applies to an optional field as well: without the grant on `banned` no user would be banned, without an error.
    else if (column !== undefined) hidden.push(column.column);
    else if (isRenamed || (required as readonly string[]).includes(field)) {
      absent.push(columnNames(model, field, naming).join(' or '));
    }
  }
  if (absent.length > 0) texts.unshift(`lacks the columns ${absent.join(', ')}`);
  if (absent.includes('role')) texts.push(...adviseRolesView(model, relation, columns, catalog));
  if (hidden.length > 0) texts.push(`does not grant this role SELECT on ${hidden.join(', ')}`);
  const { schema, table } = relation;
  if (texts.length === 0) return { kind: 'found', table: { schema, table, columns } };
  return { kind: 'faulty', fault: { text: `table "${table}" (${model}) ${texts.join(' and ')}`, names } };
}

/** Of two columns for one field first the one of Better Auth's own type, else the one that is named like the others. */
function likelierFirst(field: string, pair: readonly Column[], { columns }: Relation): readonly Column[] {
  const names = [...columns.keys()];
  const inSnakeCase =
    names.filter((name) => name.includes('_')).length > names.filter((name) => /[A-Z]/.test(name)).length;
  const rank = ({ kind, column }: Column): number =>
    (kind === DEFAULT_KINDS[field] ? 2 : 0) + (column.includes('_') === inSnakeCase ? 1 : 0);
  return pair.toSorted((one, other) => rank(other) - rank(one));
}

/** The kinds of the columns that Better Auth makes, where they are not text. */
const DEFAULT_KINDS: Readonly<Partial<Record<string, ColumnKind>>> = {
  ...{ createdAt: 'time', updatedAt: 'time', banExpires: 'time', expiresAt: 'time' },
  ...{ banned: 'boolean', emailVerified: 'boolean' },
};

function toFieldColumn({ column: name, schema: _1, table: _2, readable: _3, ...type }: Column): FieldColumn {
  return { name, ...type };
}

/** Reports that a model has no table, and which tables could be it. */
function absentModel(model: ModelName, catalog: Catalog): Result {
  const { naming, onPath, elsewhere, hasUsers } = catalog;
  const renamed = naming.renamed.get(model);
  const title = renamed === undefined ? MODELS[model].tables.map((name) => `"${name}"`).join(' or ') : `"${renamed}"`;
  const away = fittingElsewhere(model, catalog);
  const unfit = elsewhere.filter((one) => isNamed(model, one, naming) && !fits(model, one, naming));
  const alike = onPath.filter((one) => fits(model, one, naming));
  const likely = [...away, ...alike];
  const found =
    likely.length > 0
      ? butFound(likely)
      : unfit.length > 0
        ? `; ${unfit.map(titleOf).join(' and ')} ${unfit.length > 1 ? 'lack' : 'lacks'} some of its columns`
        : '';
  const names = likely.map((one) => [model, settingValue(one, catalog)] as const);
  const fault: Fault = {
    text: `no table ${title} (${model})${found}`,
    names,
    elsewhere: away.some(({ schema }) => model === 'user' || !hasUsers(schema) || isOfUsers(schema, catalog)),
  };
  return { kind: renamed === undefined ? 'absent' : 'faulty', fault };
}

/** Whether a schema off the path is, or may be, the one of the users. */
function isOfUsers(schema: string, catalog: Catalog): boolean {
  const { naming } = catalog;
  if (givenTable('user', naming)?.schema === schema) return true;
  return !candidatesFor('user', catalog).some((one) => fits('user', one, naming));
}

function butFound(relations: readonly Relation[]): string {
  if (relations.length === 0) return '';
  return `, but ${relations.map(titleOf).join(' and ')} ${relations.length > 1 ? 'have' : 'has'} its columns`;
}
