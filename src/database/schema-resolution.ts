/**
 * The tables of all models together: a schema, or one error with everything that is missing and the setting that would put
 * it right. Pure. Tables of a plugin that are there only in part are an error.
 */
import { type Catalog, type Column, createCatalog, sessionsIn } from './catalog.ts';
import { adviseRolesView, type Fault, findModel, type Result } from './model-table.ts';
import { type ModelTable, type Schema, SchemaError, type TableOf } from './models.ts';
import { formatNaming, givenTable, isFieldOff, isModelOff, type Naming } from './naming.ts';

/**
 * Finds every model among the columns of the database schemas of a search path.
 * @param columns Those of all tables on the path, and of tables in other schemas that have a model's name.
 * @throws {SchemaError} when users cannot be read, or when the tables of a plugin are there only in part.
 */
export function resolveSchema(searchPath: readonly string[], columns: readonly Column[], naming: Naming): Schema {
  const catalog = createCatalog(searchPath, columns, naming);
  const names = searchPath.map((name) => `"${name}"`).join(', ');
  const problem =
    searchPath.length === 0
      ? 'The search path (of ASSENT_DB_SCHEMA, DATABASE_URL or else the role) names no database schema that is there'
      : `The database schema${searchPath.length > 1 ? 's' : ''} ${names} cannot be read as Better Auth's`;
  if (catalog.onPath.length === 0 && catalog.elsewhere.length === 0) {
    throw new SchemaError(
      `${problem}${searchPath.length === 0 ? '' : ': it is not there or has no tables'}. Check DATABASE_URL and ASSENT_DB_SCHEMA, and whether Better Auth's migrations have run.`,
    );
  }
  const results: Results = {
    user: findModel('user', catalog),
    organization: findModel('organization', catalog),
    member: findModel('member', catalog),
    organizationRole: findModel('organizationRole', catalog),
    jwks: findModel('jwks', catalog),
  };
  const faults = faultsOf(results, catalog);
  const { user, organization, member, organizationRole, jwks } = results;
  if (faults.length > 0 || user.kind !== 'found') throw new SchemaError(`${problem}: ${adviceFor(faults, naming)}`);
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

/** Other database schemas that have a Better Auth's tables, too: the application may use those. */
export function schemasAlike(
  { user }: Schema,
  searchPath: readonly string[],
  columns: readonly Column[],
  naming: Naming,
): readonly string[] {
  // The operator named the schema.
  if (givenTable('user', naming)?.schema != null) return [];
  const { elsewhere, hasUsers } = createCatalog(searchPath, columns, naming);
  const schemas = [...new Set(elsewhere.map(({ schema }) => schema))];
  return schemas.filter((schema) => schema !== user.schema && hasUsers(schema));
}

/** In the order in which their faults are listed. */
type Results = Readonly<Record<'user' | 'organization' | 'member' | 'organizationRole' | 'jwks', Result>>;

function faultsOf(results: Results, catalog: Catalog): readonly Fault[] {
  const { user, organization, member, organizationRole, jwks } = results;
  const faults = Object.values(results).flatMap(({ kind, fault }) => (kind === 'faulty' ? [fault] : []));
  if (user.kind === 'absent') faults.push(user.fault);
  if (user.kind === 'found') faults.push(...adminFaults(user.table, catalog));
  if (!isModelOff('organization', catalog.naming)) {
    const signs = signsOfOrganizations(results, catalog);
    for (const result of [organization, member]) {
      if (result.kind === 'absent' && signs.length > 0) faults.push({ ...result.fault, because: signs });
    }
  }
  for (const result of [organizationRole, jwks]) {
    if (result.kind === 'absent' && result.fault.elsewhere) faults.push(result.fault);
  }
  return faults;
}

/**
 * The columns of the admin plugin that decisions need and the table of users lacks. If the table has some of the plugin's
 * columns, the others are renamed and not absent: without them no user would be banned, or all would have the default role.
 */
function adminFaults(table: ModelTable<string, string>, catalog: Catalog): readonly Fault[] {
  const { naming, onPath, elsewhere } = catalog;
  const sessions = sessionsIn(table.schema, catalog);
  const sign = ['impersonatedBy', 'impersonated_by'].find((name) => sessions?.columns.has(name));
  const ofPlugin = table.columns['banReason'] ?? table.columns['banExpires'];
  if (ofPlugin === undefined && sign === undefined) return [];
  const lacking = ['role', 'banned', 'banExpires'].filter(
    (field) => table.columns[field] === undefined && !isFieldOff('user', field, naming),
  );
  if (lacking.length === 0) return [];
  const relation = [...onPath, ...elsewhere].find((one) => one.schema === table.schema && one.table === table.table);
  const view =
    lacking.includes('role') && relation !== undefined ? adviseRolesView('user', relation, table.columns, catalog) : [];
  const because = ofPlugin === undefined ? ` (the admin plugin is in use: "${sessions?.table}" has "${sign}")` : '';
  const text = `table "${table.table}" (user) has only some of the admin plugin's columns, and lacks ${lacking.join(', ')}${because}: say what they are called with ASSENT_NAMING=user.${lacking[0]}=…, or =off where there is none`;
  return [{ text: [text, ...view].join(' and '), names: [] }];
}

/** The signs that Better Auth's organization plugin is on. */
function signsOfOrganizations(results: Results, catalog: Catalog): readonly string[] {
  const { user, organization, member, organizationRole } = results;
  const signs: string[] = [];
  for (const [model, { kind }] of Object.entries({ organization, member, organizationRole })) {
    if (kind === 'found' || kind === 'faulty') signs.push(`there is a table of ${model}`);
  }
  const sessions = user.kind === 'found' ? sessionsIn(user.table.schema, catalog) : undefined;
  const column = ['activeOrganizationId', 'active_organization_id'].find((name) => sessions?.columns.has(name));
  if (column !== undefined) signs.push(`"${sessions?.table}" has "${column}"`);
  if (organization.fault?.elsewhere === true || member.fault?.elsewhere === true) {
    signs.push('there are tables of it in another schema');
  }
  return signs;
}

/** All faults, and one setting that would put them right. */
function adviceFor(faults: readonly Fault[], naming: Naming): string {
  const texts = faults.map(({ text, because = [] }) =>
    because.length === 0 ? text : `${text}, though ${because.join(' and ')}`,
  );
  const names = new Map<string, string>();
  for (const fault of faults) {
    for (const [name, value] of fault.names) if (!names.has(name)) names.set(name, value);
  }
  const setting = formatNaming(naming, new Map([...naming.renamed, ...names]));
  const set = names.size === 0 ? '' : ` If these are Better Auth's, set ${setting}.`;
  const off = faults.some(({ because }) => because !== undefined)
    ? ' Where organizations are not used, ASSENT_NAMING=organization=off says so.'
    : '';
  return `${texts.join('; ')}.${set}${off} Check DATABASE_URL, ASSENT_DB_SCHEMA, ASSENT_NAMING and the grants in docs/operate/database.md.`;
}
