/** What kind of relation each table is, and which of its rows row-level security hides. */
import { escapeIdentifier } from 'pg';
import { sql } from 'slonik';
import { z } from 'zod';
import { type ModelTable, type RelationFacts, type Schema, tablesOf } from './models.ts';
import type { Database } from './pool.ts';

const factsRow = z.object({
  schema: z.string(),
  table: z.string(),
  kind: z.enum(['table', 'partitioned', 'view', 'foreign']),
  rowSecurity: z.boolean(),
  beneath: z.array(z.object({ schema: z.string(), table: z.string() })),
  hiddenBy: z.array(z.object({ schema: z.string(), table: z.string(), role: z.string() })),
});

/**
 * Adds to each table that was found what the catalog says of its relation. A view is read as its owner, or as the role that
 * asks with `security_invoker`; row-level security of the tables beneath it applies to that role.
 */
export async function withRelationFacts(db: Database, schema: Schema): Promise<Schema> {
  const tables = tablesOf(schema);
  const rows = await db.rows(
    sql.unsafe`WITH RECURSIVE found AS (
        SELECT c.oid, n.nspname::text AS schema, c.relname::text AS "table", c.relkind, c.relrowsecurity,
          CASE WHEN c.relkind = 'v' AND NOT coalesce((SELECT option_value::boolean FROM pg_options_to_table(c.reloptions)
            WHERE option_name = 'security_invoker'), false)
            THEN c.relowner ELSE (SELECT oid FROM pg_roles WHERE rolname = current_user) END AS reader
        FROM unnest(${sql.array(
          tables.map((table) => table.schema),
          'text',
        )}, ${sql.array(
          tables.map(({ table }) => table),
          'text',
        )}) AS wanted (schema, "table")
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
      FROM found`,
    factsRow,
  );
  const factsOf = ({ schema: name, table }: ModelTable<never>): RelationFacts | undefined => {
    const row = rows.find((one) => one.schema === name && one.table === table);
    if (row === undefined) return undefined;
    const { kind, rowSecurity, beneath, hiddenBy } = row;
    return { kind, rowSecurity, beneath, hiddenBy };
  };
  const add = <T extends ModelTable<never>>(table: T): T => {
    const relation = factsOf(table);
    return relation === undefined ? table : { ...table, relation };
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

/** The statements that let a role see the rows which row-level security hides from it; for the owner of the tables to run. */
export function policyStatements(hiddenBy: RelationFacts['hiddenBy']): readonly string[] {
  return hiddenBy.map(({ schema, table, role }) => {
    const on = `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
    return `DROP POLICY IF EXISTS assent ON ${on}; CREATE POLICY assent ON ${on} FOR SELECT TO ${escapeIdentifier(role)} USING (true);`;
  });
}
