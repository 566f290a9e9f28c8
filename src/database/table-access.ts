/**
 * The rights of the connection's role on the tables that were found: which rows it can see, whether it may use the types and
 * collations that statements name, and whether it could write.
 */
import { escapeIdentifier } from 'pg';
import { type FragmentSqlToken, type QuerySqlToken, sql } from 'slonik';
import { z } from 'zod';
import {
  type ModelTable,
  type RelationFacts,
  type Schema,
  SchemaError,
  type TableReference,
  tablesOf,
} from './models.ts';
import type { Database } from './pool.ts';
import { schemasCompared } from './sql.ts';

/** Adds the properties of each table in the catalog: its kind, and whether row-level security hides rows from the role. */
export async function withRelationFacts(db: Database, schema: Schema): Promise<Schema> {
  const rows = await db.rows(relationStatement(tablesOf(schema)), relationRow);
  const add = <T extends ModelTable<never>>(table: T): T => {
    const row = rows.find((one) => one.schema === table.schema && one.table === table.table);
    if (row === undefined) return table;
    const { kind, rowSecurity, beneath, hiddenBy } = row;
    return { ...table, relation: { kind, rowSecurity, beneath, hiddenBy } };
  };
  const { user, organizations, organizationRole, jwks } = schema;
  return {
    user: add(user),
    organizations: organizations && {
      organization: add(organizations.organization),
      member: add(organizations.member),
    },
    organizationRole: organizationRole && add(organizationRole),
    jwks: jwks && add(jwks),
  };
}

/** The statements that show a role the rows that row-level security hides from it, for the owner of the tables to run. */
export function policyStatements(hiddenBy: RelationFacts['hiddenBy']): readonly string[] {
  return hiddenBy.map(({ schema, table, role }) => {
    const on = `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
    return `DROP POLICY IF EXISTS assent ON ${on}; CREATE POLICY assent ON ${on} FOR SELECT TO ${escapeIdentifier(role)} USING (true);`;
  });
}

/**
 * Checks that the role may use the types and collations that statements name. Without USAGE on their schemas the service
 * would start, and each call would fail.
 * @throws {SchemaError} naming each schema and the columns that need it.
 */
export async function checkUsage(db: Database, schema: Schema): Promise<void> {
  const uses = schemasCompared(schema);
  if (uses.length === 0) return;
  const names = sql.array([...new Set(uses.map((use) => use.schema))], 'text');
  const hidden = await db.rows(
    sql.unsafe`SELECT nspname::text AS name FROM pg_namespace
      WHERE nspname::text = ANY(${names}) AND NOT has_schema_privilege(oid, 'USAGE') ORDER BY 1`,
    z.object({ name: z.string() }),
  );
  if (hidden.length === 0) return;
  const problems = hidden.map(({ name }) => {
    const columns = uses
      .filter((use) => use.schema === name)
      .map(({ table, column }) => `column "${column}" of table "${table}"`);
    return `does not have USAGE on the database schema "${name}", which has the type or the collation of ${columns.join(' and ')}`;
  });
  const grant = hidden.map(({ name }) => escapeIdentifier(name)).join(', ');
  throw new SchemaError(
    `This role ${problems.join('; and ')}. GRANT USAGE ON SCHEMA ${grant} to it, as \`npm run -s sql -- grants\` prints.`,
  );
}

/** A role with a table that it may write to. */
export type WritableTable = z.infer<typeof writableRow>;

/**
 * Finds a table of Better Auth's that the role may write to: by a grant on the table or a column, as its owner, as a
 * superuser, or as a member of a role such as `pg_write_all_data`. Null when there is none. A role that cannot write
 * protects the application from any mistake of Assent.
 */
export async function findWritableTable(db: Database, schema: Schema): Promise<WritableTable | null> {
  const [found] = await db.rows(
    sql.unsafe`SELECT current_user::text AS role, named.schema || '.' || named.name AS "table"
      FROM ${unnestNames(tablesOf(schema))} AS named (schema, name)
      JOIN pg_namespace n ON n.nspname = named.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = named.name
      WHERE has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(c.oid, 'INSERT, UPDATE')
        OR pg_has_role(c.relowner, 'MEMBER')
      ORDER BY 2 LIMIT 1`,
    writableRow,
  );
  return found ?? null;
}

const writableRow = z.object({ role: z.string(), table: z.string() });

const relationRow = z.object({
  schema: z.string(),
  table: z.string(),
  kind: z.enum(['table', 'partitioned', 'view', 'foreign']),
  rowSecurity: z.boolean(),
  beneath: z.array(z.object({ schema: z.string(), table: z.string() })),
  hiddenBy: z.array(z.object({ schema: z.string(), table: z.string(), role: z.string() })),
});

/**
 * The statement that reads the relations of tables, in steps:
 *
 * - `found`: the tables, each with its reader. A view is read as its owner, or with `security_invoker` as the role that
 *   queries it.
 * - `beneath`: the tables that a view reads, through views of views.
 * - `read`: all tables that are read in the end, and whether their row-level security applies to the reader.
 * - `applying`: the policies that apply to the reader, and whether they let all rows pass.
 *
 * Rows are hidden where row-level security applies, unless a permissive policy lets all rows pass and no policy restricts.
 */
function relationStatement(tables: readonly TableReference[]): QuerySqlToken {
  return sql.unsafe`WITH RECURSIVE found AS (
      SELECT c.oid, n.nspname::text AS schema, c.relname::text AS "table", c.relkind, c.relrowsecurity,
        CASE WHEN c.relkind = 'v' AND NOT coalesce((SELECT option_value::boolean FROM pg_options_to_table(c.reloptions)
          WHERE option_name = 'security_invoker'), false)
          THEN c.relowner ELSE (SELECT oid FROM pg_roles WHERE rolname = current_user) END AS reader
      FROM ${unnestNames(tables)} AS wanted (schema, "table")
      JOIN pg_namespace n ON n.nspname = wanted.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted."table"
    ), beneath (root, oid, relkind) AS (
      SELECT oid, oid, relkind FROM found
      UNION
      SELECT beneath.root, c.oid, c.relkind FROM beneath
      JOIN pg_rewrite w ON w.ev_class = beneath.oid AND beneath.relkind = 'v'
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
      JOIN pg_class c ON c.oid = d.refobjid AND c.oid <> beneath.oid
    ), read AS (
      SELECT found.oid AS root, c.oid, n.nspname::text AS schema, c.relname::text AS "table", c.relrowsecurity,
        found.reader, c.relrowsecurity AND NOT (r.rolsuper OR r.rolbypassrls
          OR pg_has_role(found.reader, c.relowner, 'USAGE') AND NOT c.relforcerowsecurity) AS active
      FROM found
      JOIN beneath ON beneath.root = found.oid AND beneath.relkind IN ('r', 'p', 'f')
      JOIN pg_class c ON c.oid = beneath.oid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_roles r ON r.oid = found.reader
    ), applying AS (
      SELECT read.root, read.oid, p.polpermissive AS permissive, pg_get_expr(p.polqual, p.polrelid) = 'true' AS everything
      FROM read JOIN pg_policy p ON p.polrelid = read.oid AND p.polcmd IN ('r', '*')
      WHERE EXISTS (SELECT FROM unnest(p.polroles) AS role WHERE role = 0 OR pg_has_role(read.reader, role, 'USAGE'))
    )
    SELECT found.schema, found."table",
      CASE found.relkind WHEN 'p' THEN 'partitioned' WHEN 'v' THEN 'view' WHEN 'f' THEN 'foreign' ELSE 'table' END AS kind,
      coalesce((SELECT bool_or(read.relrowsecurity) FROM read WHERE read.root = found.oid), false) AS "rowSecurity",
      coalesce((SELECT json_agg(json_build_object('schema', read.schema, 'table', read."table") ORDER BY read.schema, read."table")
        FROM read WHERE read.root = found.oid AND read.oid <> found.oid), '[]') AS beneath,
      coalesce((SELECT json_agg(json_build_object('schema', read.schema, 'table', read."table",
          'role', pg_get_userbyid(read.reader)) ORDER BY read.schema, read."table")
        FROM read
        WHERE read.root = found.oid AND read.active AND (
          NOT EXISTS (SELECT FROM applying a WHERE (a.root, a.oid) = (read.root, read.oid) AND a.permissive AND a.everything)
          OR EXISTS (SELECT FROM applying a WHERE (a.root, a.oid) = (read.root, read.oid) AND NOT a.permissive)
        )), '[]') AS "hiddenBy"
    FROM found`;
}

/** Tables by name, as rows of (schema, table). */
function unnestNames(tables: readonly TableReference[]): FragmentSqlToken {
  const schemas = tables.map(({ schema }) => schema);
  const names = tables.map(({ table }) => table);
  return sql.fragment`unnest(${sql.array(schemas, 'text')}, ${sql.array(names, 'text')})`;
}
