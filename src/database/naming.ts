/**
 * Where Better Auth's models are in this database: pure, from a list of columns to a schema or a list of what is missing.
 * Applications name tables in the singular or the plural, in camelCase, snake_case or PascalCase, and rename any of them. Half
 * of the tables is a mistake in names or grants, never a plugin that is off: that would deny, or let in, in silence.
 */
import { escapeIdentifier } from 'pg';
import {
  type ColumnKind,
  type FieldColumn,
  MODELS,
  type ModelName,
  type ModelTable,
  type Schema,
  type TableOf,
} from './models.ts';

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
  /**
   * Renamed models and fields: `user` or `user.email` to the name in the database, of a table with its schema where it has
   * one ({@link parseTableName}); `off` for a plugin's table or column that is left alone.
   */
  readonly renamed: ReadonlyMap<string, string>;
}

/** The schema is not one that can be read. The message lists everything that is missing and what to do. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';
}

/** Every name that `ASSENT_NAMING` may rename. */
export const renamableNames: ReadonlySet<string> = new Set(
  Object.entries(MODELS).flatMap(([model, { required, optional }]) => [
    model,
    ...[...required, ...optional].map((field) => `${model}.${field}`),
  ]),
);

/** `table`, `schema.table`, or either in double quotes, which keep a dot; null when it is none of these. */
export function parseTableName(text: string): { readonly schema: string | null; readonly table: string } | null {
  const part = '"(?:[^"]|"")+"|[^".]+';
  const groups = new RegExp(`^(?:(?<schema>${part})\\.)?(?<table>${part})$`).exec(text)?.groups;
  if (groups?.['table'] === undefined) return null;
  const { schema, table } = groups;
  return { schema: schema === undefined ? null : unquoted(schema), table: unquoted(table) };
}

/** The names of all tables that can be a model's, in the form of {@link plainName}. */
export function plainNames(naming: Naming): readonly string[] {
  const models = Object.keys(MODELS) as ModelName[];
  return models.flatMap((model) => [
    ...MODELS[model].tables.map(plainName),
    ...[tableNamed(model, naming)?.table].filter((name) => name !== undefined).map(plainName),
  ]);
}

/** The database schemas that the names of tables have. */
export function schemasNamed(naming: Naming): readonly string[] {
  const models = Object.keys(MODELS) as ModelName[];
  return models.flatMap((model) => tableNamed(model, naming)?.schema ?? []);
}

/** A name as it is compared: `organization_roles`, `organizationRoles` and `OrganizationRoles` are one. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll('_', '');
}

/**
 * Finds every model among the columns of the database schemas of a search path.
 * @param columns Of all tables on the path, and of those in other schemas that have a model's name.
 * @throws {SchemaError} when users cannot be read, or when a plugin's tables are there only in part.
 */
export function resolveSchema(searchPath: readonly string[], columns: readonly Column[], naming: Naming): Schema {
  const look = createLook(searchPath, columns, naming);
  const names = searchPath.map((name) => `"${name}"`).join(', ');
  const what =
    searchPath.length === 0
      ? 'The search path (of ASSENT_DB_SCHEMA, DATABASE_URL or else the role) names no database schema that is there'
      : `The database schema${searchPath.length > 1 ? 's' : ''} ${names} cannot be read as Better Auth's`;
  if (look.onPath.length === 0 && look.elsewhere.length === 0) {
    throw new SchemaError(
      `${what}${searchPath.length === 0 ? '' : ': it is not there or has no tables'}. Check DATABASE_URL and ASSENT_DB_SCHEMA, and whether Better Auth's migrations have run.`,
    );
  }
  const user = findModel('user', look);
  const organization = findModel('organization', look);
  const member = findModel('member', look);
  const organizationRole = isOff('organization', naming) ? OFF_RESULT : findModel('organizationRole', look);
  const jwks = findModel('jwks', look);
  const faults: Fault[] = [user, organization, member, organizationRole, jwks].flatMap(({ kind, fault }) =>
    kind === 'faulty' ? [fault] : [],
  );
  if (user.kind === 'absent') faults.push(user.fault);
  if (user.kind === 'found') faults.push(...adminFaults(user.table, look));
  if (!isOff('organization', naming)) {
    const signs = signsOfOrganizations({ user, organization, member, organizationRole }, look);
    for (const result of [organization, member]) {
      if (result.kind === 'absent' && signs.length > 0) faults.push({ ...result.fault, because: signs });
    }
  }
  for (const result of [organizationRole, jwks]) {
    if (result.kind === 'absent' && result.fault.elsewhere) faults.push(result.fault);
  }
  if (faults.length > 0 || user.kind !== 'found') throw new SchemaError(`${what}: ${adviceFor(faults, naming)}`);
  const organizations =
    organization.kind === 'found' && member.kind === 'found'
      ? { organization: organization.table as TableOf<'organization'>, member: member.table as TableOf<'member'> }
      : null;
  return {
    user: user.table as TableOf<'user'>,
    organizations,
    organizationRole: (organizationRole.table ?? null) as TableOf<'organizationRole'> | null,
    jwks: (jwks.table ?? null) as TableOf<'jwks'> | null,
  };
}

/** Other database schemas whose tables are those of a Better Auth, too: they may be the ones that are in use. */
export function schemasAlike(
  { user }: Schema,
  searchPath: readonly string[],
  columns: readonly Column[],
  naming: Naming,
): readonly string[] {
  // The operator said which.
  if (tableNamed('user', naming)?.schema != null) return [];
  const { elsewhere, usersIn } = createLook(searchPath, columns, naming);
  const schemas = [...new Set(elsewhere.map(({ schema }) => schema))];
  return schemas.filter((schema) => schema !== user.schema && usersIn(schema));
}

/**
 * Says that a plugin's table or column is not to be read though it is there, or not to be missed: Better Auth itself does
 * not look at organizationRole while dynamic access control is off.
 */
const OFF = 'off';
const optionalModels: ReadonlySet<string> = new Set(['organization', 'organizationRole', 'jwks']);

/** A table or view with its columns by name. */
interface Relation {
  readonly schema: string;
  readonly table: string;
  readonly columns: ReadonlyMap<string, Column>;
}

/** What was found, and what it is compared with. */
interface Look {
  readonly naming: Naming;
  readonly searchPath: readonly string[];
  /** Of two with one name that of the first schema, as PostgreSQL takes it. */
  readonly onPath: readonly Relation[];
  /** In schemas that are not on the path. */
  readonly elsewhere: readonly Relation[];
  /** Whether a schema has a table of users that fits. */
  readonly usersIn: (schema: string) => boolean;
}

/** What is wrong, and the names that would put it right. */
interface Fault {
  readonly text: string;
  /** What shows that it must be there. */
  readonly because?: readonly string[];
  /** Names for `ASSENT_NAMING`, the likeliest first; those of one kind exclude each other. */
  readonly names: readonly (readonly [name: string, value: string])[];
  /** Whether a table that fits is in a schema without users, or with those that are meant: the other half of what was found. */
  readonly elsewhere?: boolean;
}

type Result =
  | { readonly kind: 'found'; readonly table: ModelTable<string, string>; readonly fault?: never }
  | { readonly kind: 'faulty' | 'absent'; readonly table?: never; readonly fault: Fault }
  | { readonly kind: 'off'; readonly table?: never; readonly fault?: never };
const OFF_RESULT: Result = { kind: 'off' };

const unquoted = (text: string): string => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text);
const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const titleOf = ({ schema, table }: Relation): string => `"${schema}"."${table}"`;

function isOff(model: ModelName, naming: Naming): boolean {
  return optionalModels.has(model) && naming.renamed.get(model) === OFF;
}

function tableNamed(model: ModelName, naming: Naming): ReturnType<typeof parseTableName> {
  const renamed = naming.renamed.get(model);
  return renamed === undefined || isOff(model, naming) ? null : parseTableName(renamed);
}

function createLook(searchPath: readonly string[], columns: readonly Column[], naming: Naming): Look {
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
    searchPath,
    onPath: [...first.values()],
    elsewhere,
    usersIn: (schema) =>
      elsewhere.some((one) => one.schema === schema && isNamed('user', one, naming) && fits('user', one, naming)),
  };
}

/** Whether a table has one of the names of a model; not where the operator gave another. */
function isNamed(model: ModelName, { table }: Relation, naming: Naming): boolean {
  const plain = plainName(table);
  return MODELS[model].tables.some((name) => {
    // `jwks` is Better Auth's own plural and singular; `jwkss` is what its Drizzle generator makes of it.
    const wanted = naming.tables === 'auto' || model === 'jwks' || name.endsWith('s') === (naming.tables === 'plural');
    return wanted && plainName(name) === plain;
  });
}

function candidatesFor(model: ModelName, { naming, onPath, elsewhere }: Look): readonly Relation[] {
  const named = tableNamed(model, naming);
  if (named === null) {
    const place = ({ table }: Relation): number =>
      MODELS[model].tables.findIndex((name) => plainName(name) === plainName(table));
    return onPath
      .filter((relation) => isNamed(model, relation, naming))
      .toSorted((one, other) => place(one) - place(other));
  }
  const within = named.schema === null ? onPath : [...onPath, ...elsewhere];
  return within.filter(({ schema, table }) => table === named.table && (named.schema ?? schema) === schema);
}

/** The columns of a table that can be a field's. */
function columnsFor(model: ModelName, field: string, { columns }: Relation, naming: Naming): readonly Column[] {
  const renamed = naming.renamed.get(`${model}.${field}`);
  const names = renamed === undefined ? [...new Set([field, snakeCase(field)])] : [renamed];
  return names.flatMap((name) => columns.get(name) ?? []);
}

/** Whether a table has every column that a model must have, granted or not. */
function fits(model: ModelName, relation: Relation, naming: Naming): boolean {
  return MODELS[model].required.every((field) => columnsFor(model, field, relation, naming).length > 0);
}

/** A field left alone by the operator. */
function isFieldOff(model: ModelName, field: string, naming: Naming): boolean {
  const optional: readonly string[] = MODELS[model].optional;
  return optional.includes(field) && naming.renamed.get(`${model}.${field}`) === OFF;
}

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

/** Of two columns for one field the likelier: of the type that Better Auth gives it, else named as the others are. */
function likelier(field: string, pair: readonly Column[], { columns }: Relation): readonly Column[] {
  const wanted: Readonly<Partial<Record<string, ColumnKind>>> = {
    ...{ createdAt: 'time', updatedAt: 'time', banExpires: 'time', expiresAt: 'time' },
    ...{ banned: 'boolean', emailVerified: 'boolean' },
  };
  const names = [...columns.keys()];
  const inSnakeCase =
    names.filter((name) => name.includes('_')).length > names.filter((name) => /[A-Z]/.test(name)).length;
  const rank = ({ kind, column }: Column): number =>
    (kind === wanted[field] ? 2 : 0) + (column.includes('_') === inSnakeCase ? 1 : 0);
  return pair.toSorted((one, other) => rank(other) - rank(one));
}

/** One table as a model: its columns, or what is wrong with it. */
function readTable(model: ModelName, relation: Relation, look: Look): Result {
  const { naming } = look;
  const { required, optional } = MODELS[model];
  const columns: Record<string, FieldColumn> = {};
  const absent: string[] = [];
  const hidden: string[] = [];
  const texts: string[] = [];
  const names: [string, string][] = [];
  for (const field of [...required, ...optional]) {
    if (isFieldOff(model, field, naming)) continue;
    const renamed = naming.renamed.get(`${model}.${field}`);
    const [column, other] = likelier(field, columnsFor(model, field, relation, naming), relation);
    // One of them was left behind by a change of names, and says what was true before it.
    if (column !== undefined && other !== undefined) {
      texts.push(
        `has both "${column.column}" (${column.type}) and "${other.column}" (${other.type}): say which Better Auth writes, by ${model}.${field}=${column.column} or ${model}.${field}=${other.column}`,
      );
      names.push([`${model}.${field}`, column.column]);
    } else if (column?.readable === true) columns[field] = fieldColumn(column);
    // Also of an optional field: without the grant on `banned` nobody would be banned, and nothing would say so.
    else if (column !== undefined) hidden.push(column.column);
    else if (renamed !== undefined) absent.push(renamed);
    else if ((required as readonly string[]).includes(field)) {
      absent.push([...new Set([field, snakeCase(field)])].join(' or '));
    }
  }
  if (absent.length > 0) texts.unshift(`lacks the columns ${absent.join(', ')}`);
  if (absent.includes('role')) texts.push(...rolesView(model, relation, columns, look));
  if (hidden.length > 0) texts.push(`does not grant this role SELECT on ${hidden.join(', ')}`);
  const { schema, table } = relation;
  if (texts.length === 0) return { kind: 'found', table: { schema, table, columns } };
  return { kind: 'faulty', fault: { text: `table "${table}" (${model}) ${texts.join(' and ')}`, names } };
}

function findModel(model: ModelName, look: Look): Result {
  const { naming } = look;
  if (isOff(model, naming) || (model === 'member' && isOff('organization', naming))) return OFF_RESULT;
  // Keys may come from a URL instead, and then nothing grants this table: no key is read from it, no check allowed.
  const candidates = candidatesFor(model, look).filter(
    ({ columns }) => model !== 'jwks' || [...columns.values()].some(({ readable }) => readable),
  );
  const fitting = candidates.filter((relation) => fits(model, relation, naming));
  const [first, second] = fitting;
  if (first !== undefined && second !== undefined) {
    const names = fitting.map((relation) => [model, valueFor(relation, look)] as const);
    const settings = names.map((name) => name.join('=')).join(' or ');
    const both = first.table === second.table ? fitting.map(titleOf) : fitting.map(({ table }) => `"${table}"`);
    const text = `both ${both.join(' and ')} look like ${model}: say which with ASSENT_NAMING=${settings}`;
    return { kind: 'faulty', fault: { text, names: [] } };
  }
  if (first !== undefined) return readTable(model, first, look);
  const faults = candidates.flatMap((relation) => readTable(model, relation, look).fault ?? []);
  if (faults.length > 0) {
    const text = faults.map(({ text: one }) => one).join('; ');
    // A table of that name may be another application's, before the schema that has Better Auth's.
    const away = naming.renamed.has(model) ? [] : fittingElsewhere(model, look);
    const names =
      away.length > 0
        ? away.map((one) => [model, valueFor(one, look)] as const)
        : faults.flatMap(({ names: ofOne }) => ofOne);
    return { kind: 'faulty', fault: { text: `${text}${butFound(away)}`, names } };
  }
  return absentModel(model, look);
}

/** Says that a model has no table, and which tables could be it. */
function absentModel(model: ModelName, look: Look): Result {
  const { naming, onPath, elsewhere, usersIn } = look;
  const renamed = naming.renamed.get(model);
  const title = renamed === undefined ? MODELS[model].tables.map((name) => `"${name}"`).join(' or ') : `"${renamed}"`;
  const away = fittingElsewhere(model, look);
  const unfit = elsewhere.filter((one) => isNamed(model, one, naming) && !fits(model, one, naming));
  const alike = onPath.filter((one) => fits(model, one, naming));
  const likely = [...away, ...alike];
  const found =
    likely.length > 0
      ? butFound(likely)
      : unfit.length > 0
        ? `; ${unfit.map(titleOf).join(' and ')} ${unfit.length > 1 ? 'lack' : 'lacks'} some of its columns`
        : '';
  const names = likely.map((one) => [model, valueFor(one, look)] as const);
  const fault: Fault = {
    text: `no table ${title} (${model})${found}`,
    names,
    elsewhere: away.some(({ schema }) => model === 'user' || !usersIn(schema) || isOfUsers(schema, look)),
  };
  return { kind: renamed === undefined ? 'absent' : 'faulty', fault };
}

/** Whether a schema off the path is, or may be, that of the users: its tables are the other half of these. */
function isOfUsers(schema: string, look: Look): boolean {
  const { naming } = look;
  if (tableNamed('user', naming)?.schema === schema) return true;
  return !candidatesFor('user', look).some((one) => fits('user', one, naming));
}

/** The tables of other schemas that have the name and the columns of a model. */
function fittingElsewhere(model: ModelName, { naming, elsewhere }: Look): readonly Relation[] {
  const readable = ({ columns }: Relation): boolean =>
    model !== 'jwks' || [...columns.values()].some((one) => one.readable);
  return elsewhere.filter((one) => isNamed(model, one, naming) && fits(model, one, naming) && readable(one));
}

function butFound(relations: readonly Relation[]): string {
  if (relations.length === 0) return '';
  return `, but ${relations.map(titleOf).join(' and ')} ${relations.length > 1 ? 'have' : 'has'} its columns`;
}

/** How `ASSENT_NAMING` names a table, or another one of its schema. */
function valueFor(relation: Relation, { onPath }: Look, table = relation.table): string {
  const part = (name: string): string => (/[".]/.test(name) ? escapeIdentifier(name) : name);
  return onPath.includes(relation) ? part(table) : `${part(relation.schema)}.${part(table)}`;
}

/** The whole setting, with these names in place of those that are set. */
function settingOf({ tables }: Naming, renamed: Naming['renamed']): string {
  return `ASSENT_NAMING=${[tables, ...[...renamed].map((pair) => pair.join('='))].join(',')}`;
}

/** Better Auth's table of sessions beside the users, which has columns of the plugins that are in use. */
function sessionsBeside(schema: string, { onPath, elsewhere }: Look): Relation | undefined {
  return [...onPath, ...elsewhere].find(
    (one) => one.schema === schema && ['session', 'sessions'].includes(plainName(one.table)),
  );
}

/**
 * What the admin plugin's table lacks of what decisions are made from. A part of the plugin is a column of another name, and
 * never a plugin that is absent: nobody would be banned, or everybody would have the default role.
 */
function adminFaults(table: ModelTable<string, string>, look: Look): readonly Fault[] {
  const { naming, onPath, elsewhere } = look;
  const sessions = sessionsBeside(table.schema, look);
  const sign = ['impersonatedBy', 'impersonated_by'].find((name) => sessions?.columns.has(name));
  const own = table.columns['banReason'] ?? table.columns['banExpires'];
  if (own === undefined && sign === undefined) return [];
  const lacking = ['role', 'banned', 'banExpires'].filter(
    (field) => table.columns[field] === undefined && !isFieldOff('user', field, naming),
  );
  if (lacking.length === 0) return [];
  const relation = [...onPath, ...elsewhere].find((one) => one.schema === table.schema && one.table === table.table);
  const view =
    lacking.includes('role') && relation !== undefined ? rolesView('user', relation, table.columns, look) : [];
  const because = own === undefined ? ` (the admin plugin is in use: "${sessions?.table}" has "${sign}")` : '';
  const text = `table "${table.table}" (user) has only some of the admin plugin's columns, and lacks ${lacking.join(', ')}${because}: say what they are called with ASSENT_NAMING=user.${lacking[0]}=…, or =off where there is none`;
  return [{ text: [text, ...view].join(' and '), names: [] }];
}

/** What shows that Better Auth's organization plugin is in use. */
function signsOfOrganizations(
  found: Readonly<Record<'user' | 'organization' | 'member' | 'organizationRole', Result>>,
  look: Look,
): readonly string[] {
  const signs: string[] = [];
  for (const [model, { kind }] of Object.entries(found)) {
    if (model !== 'user' && (kind === 'found' || kind === 'faulty')) signs.push(`there is a table of ${model}`);
  }
  const sessions = found.user.kind === 'found' ? sessionsBeside(found.user.table.schema, look) : undefined;
  const column = ['activeOrganizationId', 'active_organization_id'].find((name) => sessions?.columns.has(name));
  if (column !== undefined) signs.push(`"${sessions?.table}" has "${column}"`);
  if (found.organization.fault?.elsewhere === true || found.member.fault?.elsewhere === true) {
    signs.push('there are tables of it in another schema');
  }
  return signs;
}

/** Where roles are in a table of their own: a view that has them as Better Auth does. */
function rolesView(
  model: ModelName,
  relation: Relation,
  columns: Readonly<Record<string, FieldColumn>>,
  look: Look,
): readonly string[] {
  const { naming, onPath, elsewhere } = look;
  const plain = plainName(relation.table);
  const stem = plain.replace(/s$/, '');
  const own = [...onPath, ...elsewhere].find(
    ({ schema, table }) =>
      schema === relation.schema &&
      [plain, stem].some((name) => [`${name}role`, `${name}roles`].includes(plainName(table))),
  );
  if (own === undefined) return [];
  const names = [...own.columns.keys()];
  const parent = names.find((name) => ['parentid', `${stem}id`, `${plain}id`].includes(plainName(name)));
  const value = names.find((name) => ['value', 'role', 'name'].includes(plainName(name)));
  const { id } = columns;
  if (parent === undefined || value === undefined || id === undefined) {
    return [
      `the roles may be in ${titleOf(own)}: make a view that has them in a column (docs/operate/database.md, "Views")`,
    ];
  }
  const quoted = ({ schema, table }: Relation): string => `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
  const view = `assent_${stem}`;
  const renamed = new Map([...naming.renamed, [model, valueFor(relation, look, view)]]);
  // The view has roles by the name that they have by default.
  renamed.delete(`${model}.role`);
  const listed = Object.values(columns).map(({ name }) => `t.${escapeIdentifier(name)}`);
  const roles = `(SELECT string_agg(r.${escapeIdentifier(value)}::text, ',') FROM ${quoted(own)} r WHERE r.${escapeIdentifier(parent)} = t.${escapeIdentifier(id.name)}) AS role`;
  return [
    `its roles are in ${titleOf(own)}: make a view that has them in a column, CREATE VIEW ${quoted({ ...relation, table: view })} AS SELECT ${[...listed, roles].join(', ')} FROM ${quoted(relation)} t; and name it with ${settingOf(naming, renamed)}`,
  ];
}

/** All faults, and what to do about them in one setting. */
function adviceFor(faults: readonly Fault[], naming: Naming): string {
  const texts = faults.map(({ text, because = [] }) =>
    because.length === 0 ? text : `${text}, though ${because.join(' and ')}`,
  );
  const names = new Map<string, string>();
  for (const fault of faults) {
    for (const [name, value] of fault.names) if (!names.has(name)) names.set(name, value);
  }
  const setting = settingOf(naming, new Map([...naming.renamed, ...names]));
  const set = names.size === 0 ? '' : ` If these are Better Auth's, set ${setting}.`;
  const off = faults.some(({ because }) => because !== undefined)
    ? ' Where organizations are not used, ASSENT_NAMING=organization=off says so.'
    : '';
  return `${texts.join('; ')}.${set}${off} Check DATABASE_URL, ASSENT_DB_SCHEMA, ASSENT_NAMING and the grants in docs/operate/database.md.`;
}
