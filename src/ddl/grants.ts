/** The least-privilege role of the service, written for the names of one database. Pure. */
import { type FieldColumn, type ModelTable, type Schema, tablesOf } from '../database/models.ts';
import { schemasCompared } from '../database/sql.ts';
import { policyStatements } from '../database/table-access.ts';
import { quoteName, quoteTable } from './quote.ts';

/** The statements that let the role `assent` read what the service selects, and nothing else. */
export function grantsSql(schema: Schema): string {
  const tables = tablesOf(schema);
  const schemas = [...new Set([...tables, ...schemasCompared(schema)].map((one) => one.schema))];
  const grants = tables.map((model) => {
    const columns = (Object.values(model.columns) as readonly FieldColumn[]).map(({ name }) => quoteName(name));
    return `GRANT SELECT (${columns.join(', ')}) ON ${quoteTable(model)} TO assent;\n`;
  });
  return `-- The role that Assent connects as. It may read these columns and nothing else: no password hash, no session token, no private
-- key. Run this as the owner of the tables, with your own password.

${createRole('assent')}
GRANT USAGE ON SCHEMA ${schemas.map(quoteName).join(', ')} TO assent;

${grants.join('')}${policies(tables)}
${settingsOf('assent')}`;
}

/** Creates a role unless the server has it already. */
export function createRole(role: string): string {
  return `DO $$
BEGIN
  CREATE ROLE ${role} LOGIN PASSWORD 'change me';
EXCEPTION
  -- A role belongs to the server and its grants to the database: a second database keeps the role.
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
`;
}

/** Policies for the tables with row-level security: Assent would take a hidden row for one that does not exist. */
function policies(tables: readonly ModelTable<never>[]): string {
  const statements = tables.flatMap((table) => {
    const { kind, rowSecurity = false, hiddenBy = [] } = table.relation ?? {};
    // A view reads the tables beneath it as its owner, to whom their policies apply.
    if (kind === 'view') return policyStatements(hiddenBy);
    return rowSecurity ? policyStatements([{ ...table, role: 'assent' }]) : [];
  });
  if (statements.length === 0) return '';
  return `
-- Row-level security is on: a row that it hides would count as absent. A restrictive policy must except the role, too.
${statements.map((statement) => `${statement}\n`).join('')}`;
}

/**
 * Settings of a role, as the second guard beside those of each statement (docs/operate/database.md). A role that can write is
 * the application's, and its work would fail with them.
 */
function settingsOf(role: string): string {
  return `-- For this role alone: with these settings the work of a role that writes would fail.
DO $$
DECLARE
  writable text;
BEGIN
  SELECT c.oid::regclass INTO writable FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
    AND (has_table_privilege('${role}', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
      OR has_any_column_privilege('${role}', c.oid, 'INSERT, UPDATE') OR pg_has_role('${role}', c.relowner, 'MEMBER'))
  LIMIT 1;
  IF writable IS NOT NULL THEN
    RAISE EXCEPTION 'the role ${role} can write to %: it is not one that only reads', writable;
  END IF;
  ALTER ROLE ${role} SET default_transaction_read_only = on;
  ALTER ROLE ${role} SET statement_timeout = '2s';
  ALTER ROLE ${role} SET idle_in_transaction_session_timeout = '2s';
  ALTER ROLE ${role} SET application_name = '${role}';
END $$;
`;
}
