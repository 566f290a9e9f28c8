/** Reads the columns of a database schema and resolves Better Auth's models from them. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Schema } from './models.ts';
import { type Naming, resolveSchema } from './naming.ts';
import type { Database } from './pool.ts';
import { parseSearchPath } from './search-path.ts';

const columnRow = z.object({
  schema: z.string(),
  place: z.number(),
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
 * @param searchPath The database schemas to look in, in order; null for the connection's search path.
 * @returns The tables, and the database schemas in which they were looked for.
 * @throws {SchemaError} when what it takes is not there.
 */
export const detectSchema = async (
  db: Database,
  searchPath: readonly string[] | null,
  naming: Naming,
): Promise<{ readonly schema: Schema; readonly searchPath: readonly string[] }> => {
  const path = searchPath ?? (await readSearchPath(db));
  const rows = await db.rows(
    sql.unsafe`SELECT path.schema, path.place, c.relname::text AS "table", a.attname::text AS "column",
        format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), NULL) AS type,
        coalesce(l.collisdeterministic, true) AS deterministic,
        coalesce(has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT'), false)
          AS readable
      FROM (
        SELECT CASE name WHEN '$user' THEN current_user::text ELSE name END AS schema, min(place)::int4 AS place
        FROM unnest(${sql.array(path, 'text')}) WITH ORDINALITY AS listed (name, place)
        GROUP BY 1
      ) path
      LEFT JOIN pg_namespace n ON n.nspname::text = path.schema
      LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'f')
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_collation l ON l.oid = a.attcollation
      ORDER BY path.place`,
    columnRow,
  );
  const columns = rows.flatMap(({ table, column, type, place: _place, ...more }) =>
    table === null || column === null || type === null ? [] : [{ table, column, type, ...more }],
  );
  const schemas = [...new Set(rows.map(({ schema }) => schema))];
  return { schema: resolveSchema(schemas, columns, naming), searchPath: schemas };
};

/** The connection's own path. As it is set: PostgreSQL leaves out the schemas that the role may not use, and they are a fault. */
async function readSearchPath(db: Database): Promise<readonly string[]> {
  const [row] = await db.rows(
    sql.unsafe`SELECT current_setting('search_path') AS path`,
    z.object({ path: z.string() }),
  );
  return parseSearchPath(row?.path ?? '') ?? [];
}
