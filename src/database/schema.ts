/** Reads the columns of a database schema and resolves Better Auth's models from them. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Schema } from './models.ts';
import { type Naming, resolveSchema } from './naming.ts';
import type { Database } from './pool.ts';

const columnRow = z.object({
  schema: z.string(),
  table: z.string().nullable(),
  column: z.string().nullable(),
  type: z.string().nullable(),
  deterministic: z.boolean(),
  readable: z.boolean(),
});

/**
 * Detects the schema. From the catalog and not from information_schema, which hides what the role may not read: a grant
 * that is missing has to be told from a column that is missing, and both at the start rather than within a request. Tables
 * and views of them, but no materialized views: those say what was true once, and bring back what was revoked.
 * @param schemaName The database schema, or null for the first one of the connection's search path.
 * @throws {SchemaError} when what it takes is not there.
 */
export const detectSchema = async (db: Database, schemaName: string | null, naming: Naming): Promise<Schema> => {
  const rows = await db.rows(
    sql.unsafe`SELECT named.schema, c.relname::text AS "table", a.attname::text AS "column",
        format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), NULL) AS type,
        coalesce(l.collisdeterministic, true) AS deterministic,
        coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT'), false)
          AS readable
      FROM (SELECT coalesce(${schemaName}::text, current_schema()::text, 'public') AS schema) named
      LEFT JOIN pg_namespace n ON n.nspname::text = named.schema
      LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'f')
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_collation l ON l.oid = a.attcollation`,
    columnRow,
  );
  const columns = rows.flatMap(({ table, column, type, ...more }) =>
    table === null || column === null || type === null ? [] : [{ table, column, type, ...more }],
  );
  return resolveSchema(rows[0]?.schema ?? 'public', columns, naming);
};
