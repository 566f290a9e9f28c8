/**
 * The tables of the database, and which of them fit a model by name and columns. Pure: its input is the list of columns that
 * schema-detection.ts reads from PostgreSQL's catalog.
 */
import { escapeIdentifier } from 'pg';
import { type FieldColumn, MODELS, type ModelName } from './models.ts';
import { columnNames, givenTable, type Naming, plainName } from './naming.ts';

/** One column of the database. */
export interface Column extends Omit<FieldColumn, 'name'> {
  readonly schema: string;
  readonly table: string;
  readonly column: string;
  /** Whether the connection's role may read it. */
  readonly readable: boolean;
}

/** A table or view with its columns by name. */
export interface Relation {
  readonly schema: string;
  readonly table: string;
  readonly columns: ReadonlyMap<string, Column>;
}

/** The tables among which the models are looked for. */
export interface Catalog {
  readonly naming: Naming;
  /** Tables of the search path. Of two with one name the one of the first schema, as PostgreSQL resolves a name. */
  readonly onPath: readonly Relation[];
  /** Tables in schemas that are not on the path. */
  readonly elsewhere: readonly Relation[];
  /** Whether a schema off the path has a table that fits the model `user`. */
  readonly hasUsers: (schema: string) => boolean;
}

/** @param columns Those of all tables on the path, and of tables in other schemas that have a model's name. */
export function createCatalog(searchPath: readonly string[], columns: readonly Column[], naming: Naming): Catalog {
  const relations = new Map<string, Relation & { readonly columns: Map<string, Column> }>();
  for (const column of columns) {
    const key = JSON.stringify([column.schema, column.table]);
    const known = relations.get(key) ?? { schema: column.schema, table: column.table, columns: new Map() };
    relations.set(key, known);
    known.columns.set(column.column, column);
  }
  const all = [...relations.values()];
  const first = new Map<string, Relation>();
  for (const schema of searchPath) {
    for (const relation of all) {
      if (relation.schema === schema && !first.has(relation.table)) first.set(relation.table, relation);
    }
  }
  const elsewhere = all.filter(({ schema }) => !searchPath.includes(schema));
  return {
    naming,
    onPath: [...first.values()],
    elsewhere,
    hasUsers: (schema) =>
      elsewhere.some((one) => one.schema === schema && isNamed('user', one, naming) && fits('user', one, naming)),
  };
}

/** The tables on the path that may be a model's, the likeliest name first; if the setting names a table, only that. */
export function candidatesFor(model: ModelName, { naming, onPath, elsewhere }: Catalog): readonly Relation[] {
  const given = givenTable(model, naming);
  if (given === null) {
    const place = ({ table }: Relation): number =>
      MODELS[model].tables.findIndex((name) => plainName(name) === plainName(table));
    return onPath
      .filter((relation) => isNamed(model, relation, naming))
      .toSorted((one, other) => place(one) - place(other));
  }
  const searched = given.schema === null ? onPath : [...onPath, ...elsewhere];
  return searched.filter(({ schema, table }) => table === given.table && (given.schema ?? schema) === schema);
}

/** The tables of other schemas that have the name and the columns of a model. */
export function fittingElsewhere(model: ModelName, { naming, elsewhere }: Catalog): readonly Relation[] {
  return elsewhere.filter(
    (one) => isNamed(model, one, naming) && fits(model, one, naming) && (model !== 'jwks' || isReadable(one)),
  );
}

/** Whether a table has one of the names of a model. The name that the setting gives does not count here. */
export function isNamed(model: ModelName, { table }: Relation, naming: Naming): boolean {
  const plain = plainName(table);
  return MODELS[model].tables.some((name) => {
    // `jwks` is Better Auth's own plural and singular; its Drizzle generator makes `jwkss` of it.
    const wanted = naming.tables === 'auto' || model === 'jwks' || name.endsWith('s') === (naming.tables === 'plural');
    return wanted && plainName(name) === plain;
  });
}

/** Whether a table has every column that a model must have, granted or not. */
export function fits(model: ModelName, relation: Relation, naming: Naming): boolean {
  return MODELS[model].required.every((field) => columnsFor(model, field, relation, naming).length > 0);
}

/** The columns of a table that can be a field's. */
export function columnsFor(model: ModelName, field: string, { columns }: Relation, naming: Naming): readonly Column[] {
  return columnNames(model, field, naming).flatMap((name) => columns.get(name) ?? []);
}

/** Whether the role may read at least one column of a table. */
export function isReadable({ columns }: Relation): boolean {
  return [...columns.values()].some(({ readable }) => readable);
}

/** Better Auth's table of sessions in a schema. It has columns of the plugins that are on. */
export function sessionsIn(schema: string, { onPath, elsewhere }: Catalog): Relation | undefined {
  return [...onPath, ...elsewhere].find(
    (one) => one.schema === schema && ['session', 'sessions'].includes(plainName(one.table)),
  );
}

/** A table in an error. */
export function titleOf({ schema, table }: Relation): string {
  return `"${schema}"."${table}"`;
}

/** How `ASSENT_NAMING` names a table, or another table of its schema. */
export function settingValue(relation: Relation, { onPath }: Catalog, table = relation.table): string {
  const part = (name: string): string => (/[".]/.test(name) ? escapeIdentifier(name) : name);
  return onPath.includes(relation) ? part(table) : `${part(relation.schema)}.${part(table)}`;
}
