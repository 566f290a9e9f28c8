/** Reads which columns the connection may see and resolves Better Auth's schema from them. */
import { sql } from 'slonik';
import { z } from 'zod';
import { type Column, type Naming, resolveSchema, type Schema } from './naming.ts';
import type { Database } from './pool.ts';

const columnRow = z.object({ schema: z.string(), table: z.string(), column: z.string(), type: z.string() });

/**
 * Detects the schema. information_schema lists only columns that the role may read, so a missing grant shows here and
 * not in the middle of a request.
 * @param schemaName The database schema, or null for the first one of the connection's search path.
 * @throws {SchemaError} when what it takes is not there.
 */
export const detectSchema = async (db: Database, schemaName: string | null, naming: Naming): Promise<Schema> => {
  const columns = await db.rows(
    sql.unsafe`SELECT table_schema::text AS schema, table_name::text AS table, column_name::text AS column,
        data_type::text AS type
      FROM information_schema.columns
      WHERE table_schema = coalesce(${schemaName}::text, current_schema()::text)`,
    columnRow,
  );
  const name = columns[0]?.schema ?? schemaName ?? 'public';
  return resolveSchema(name, columns satisfies readonly Column[], naming);
};
