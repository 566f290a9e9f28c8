/** Reads the columns of a database schema and resolves Better Auth's models from them. */
import { sql } from 'slonik';
import { z } from 'zod';
import { checkTypes, kindOf } from './column-types.ts';
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
  typeSchema: z.string(),
  typeName: z.string(),
  isEnum: z.boolean(),
  isArray: z.boolean(),
  length: z.int().nullable(),
  collation: z.tuple([z.string(), z.string()]).nullable(),
  deterministic: z.boolean(),
  readable: z.boolean(),
});

/**
 * Detects the schema. From the catalog and not from information_schema, which hides what the role may not read: a grant
 * that is missing has to be told from a column that is missing, and both at the start rather than within a request. Tables
 * and views of them, but no materialized views: those say what was true once, and bring back what was revoked.
 * @param searchPath The database schemas to look in, in order; null for the connection's search path.
 * @returns The tables, and the database schemas in which they were looked for.
 * @throws {SchemaError} when what it takes is not there, or has a type that cannot be read.
 */
export const detectSchema = async (
  db: Database,
  searchPath: readonly string[] | null,
  naming: Naming,
): Promise<{ readonly schema: Schema; readonly searchPath: readonly string[] }> => {
  const path = searchPath ?? (await readSearchPath(db));
  const rows = await db.rows(
    // A domain may be one over another; an array may be of one. `x` is the type below, for an array that of its elements.
    sql.unsafe`WITH RECURSIVE chain (domain, type, modifier) AS (
        SELECT oid, typbasetype, typtypmod FROM pg_type WHERE typtype = 'd'
        UNION ALL
        SELECT chain.domain, t.typbasetype, greatest(chain.modifier, t.typtypmod)
        FROM chain JOIN pg_type t ON t.oid = chain.type AND t.typtype = 'd'
      ), below AS (
        SELECT chain.domain, chain.type, chain.modifier FROM chain JOIN pg_type t ON t.oid = chain.type AND t.typtype <> 'd'
      )
      SELECT path.schema, path.place, c.relname::text AS "table", a.attname::text AS "column",
        CASE xn.nspname WHEN 'pg_catalog' THEN format_type(x.oid, NULL) ELSE quote_ident(xn.nspname) || '.' || quote_ident(x.typname) END
          || CASE t.typcategory WHEN 'A' THEN '[]' ELSE '' END AS type,
        coalesce(xn.nspname::text, '') AS "typeSchema", coalesce(x.typname::text, '') AS "typeName",
        coalesce(x.typtype = 'e', false) AS "isEnum", coalesce(t.typcategory = 'A', false) AS "isArray",
        CASE WHEN t.oid = 'bpchar'::regtype
          THEN nullif(CASE WHEN d.domain IS NULL THEN a.atttypmod ELSE d.modifier END, -1) - 4 END AS length,
        CASE WHEN l.oid IS NOT NULL THEN json_build_array(ln.nspname, l.collname) END AS collation,
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
      LEFT JOIN below d ON d.domain = a.atttypid
      LEFT JOIN pg_type t ON t.oid = coalesce(d.type, a.atttypid)
      LEFT JOIN below e ON t.typcategory = 'A' AND e.domain = t.typelem
      LEFT JOIN pg_type x ON x.oid = CASE t.typcategory WHEN 'A' THEN coalesce(e.type, t.typelem) ELSE t.oid END
      LEFT JOIN pg_namespace xn ON xn.oid = x.typnamespace
      LEFT JOIN pg_collation l ON l.oid = a.attcollation
      LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
      ORDER BY path.place`,
    columnRow,
  );
  const columns = rows.flatMap(({ table, column, type, typeName, isEnum, isArray, place: _place, ...more }) => {
    if (table === null || column === null || type === null) return [];
    const kind = kindOf({ schema: more.typeSchema, name: typeName, isEnum, isArray });
    return [{ table, column, type, kind, ...more }];
  });
  const schemas = [...new Set(rows.map(({ schema }) => schema))];
  const schema = resolveSchema(schemas, columns, naming);
  checkTypes(schema);
  return { schema, searchPath: schemas };
};

/** The connection's own path. As it is set: PostgreSQL leaves out the schemas that the role may not use, and they are a fault. */
async function readSearchPath(db: Database): Promise<readonly string[]> {
  const [row] = await db.rows(
    sql.unsafe`SELECT current_setting('search_path') AS path`,
    z.object({ path: z.string() }),
  );
  return parseSearchPath(row?.path ?? '') ?? [];
}
