/**
 * The names under which Better Auth's models are looked for: `ASSENT_NAMING`, the search path, and how two names compare.
 * Applications name tables in the singular or the plural, in camelCase, snake_case or PascalCase, and rename any of them.
 * Pure.
 */
import { MODELS, type ModelName } from './models.ts';

/** `ASSENT_NAMING`, parsed. */
export interface Naming {
  /** Which table names to look for. */
  readonly tables: 'auto' | 'plural' | 'singular';
  /**
   * Renamed models and fields: `user` or `user.email` to the name in the database. A table may have its schema
   * ({@link parseTableName}). `off` leaves a plugin's table or column alone.
   */
  readonly renamed: ReadonlyMap<string, string>;
}

/** Every name that `ASSENT_NAMING` may rename. */
export const renamableNames: ReadonlySet<string> = new Set(
  Object.entries(MODELS).flatMap(([model, { required, optional }]) => [
    model,
    ...[...required, ...optional].map((field) => `${model}.${field}`),
  ]),
);

/** A table, and its schema if it has one. */
export interface TableName {
  readonly schema: string | null;
  readonly table: string;
}

/** Parses `table` or `schema.table`. Each may be in double quotes, which allow a dot. Returns null for any other text. */
export function parseTableName(text: string): TableName | null {
  const part = '"(?:[^"]|"")+"|[^".]+';
  const groups = new RegExp(`^(?:(?<schema>${part})\\.)?(?<table>${part})$`).exec(text)?.groups;
  if (groups?.['table'] === undefined) return null;
  const { schema, table } = groups;
  return { schema: schema === undefined ? null : unquoted(schema), table: unquoted(table) };
}

/** The whole setting, with these names in place of the renamed ones. */
export function formatNaming({ tables }: Naming, renamed: Naming['renamed']): string {
  return `ASSENT_NAMING=${[tables, ...[...renamed].map((pair) => pair.join('='))].join(',')}`;
}

/**
 * Whether the setting turns a plugin's model off: its table is not read although it is there, or not missed. Better Auth
 * itself does not read organizationRole while dynamic access control is off.
 */
export function isModelOff(model: ModelName, naming: Naming): boolean {
  return PLUGIN_MODELS.has(model) && naming.renamed.get(model) === OFF;
}

/** Whether the setting turns a plugin's field off. */
export function isFieldOff(model: ModelName, field: string, naming: Naming): boolean {
  const optional: readonly string[] = MODELS[model].optional;
  return optional.includes(field) && naming.renamed.get(`${model}.${field}`) === OFF;
}

/** The table that the setting names for a model; null where it names none. */
export function givenTable(model: ModelName, naming: Naming): TableName | null {
  const renamed = naming.renamed.get(model);
  return renamed === undefined || isModelOff(model, naming) ? null : parseTableName(renamed);
}

/** The database schemas of the tables that the setting names. */
export function givenSchemas(naming: Naming): readonly string[] {
  return modelNames().flatMap((model) => givenTable(model, naming)?.schema ?? []);
}

/** The names of all tables that can be a model's, in the form of {@link plainName}. */
export function plainNames(naming: Naming): readonly string[] {
  return modelNames().flatMap((model) => [
    ...MODELS[model].tables.map(plainName),
    ...[givenTable(model, naming)?.table].filter((name) => name !== undefined).map(plainName),
  ]);
}

/** A name in the form in which names compare: `organization_roles`, `organizationRoles`, `OrganizationRoles` are equal. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll('_', '');
}

/** The names that a field's column may have. */
export function columnNames(model: ModelName, field: string, naming: Naming): readonly string[] {
  const renamed = naming.renamed.get(`${model}.${field}`);
  return renamed === undefined ? [...new Set([field, snakeCase(field)])] : [renamed];
}

/**
 * Parses PostgreSQL's `search_path`, the database schemas in which a table without one is looked for: identifiers between
 * commas, in double quotes or folded to lower case. Returns null for any other text.
 */
export function parseSearchPath(text: string): readonly string[] | null {
  const names: string[] = [];
  const item = /\s*(?:"(?<quoted>(?:[^"]|"")+)"|(?<plain>[^\s",]+))\s*(?<end>,|$)/y;
  for (;;) {
    const groups = item.exec(text)?.groups;
    if (groups === undefined) return null;
    names.push(groups['quoted']?.replaceAll('""', '"') ?? (groups['plain'] ?? '').toLowerCase());
    if (groups['end'] === '') return names;
  }
}

/** Whether two search paths name the same schemas in the same order. */
export function isSamePath(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}

const OFF = 'off';
const PLUGIN_MODELS: ReadonlySet<string> = new Set(['organization', 'organizationRole', 'jwks']);

function modelNames(): readonly ModelName[] {
  return Object.keys(MODELS) as ModelName[];
}

function unquoted(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
