/** Whether the role could write: one of Assent's own cannot, and nothing that it does can go wrong for others. */
import { sql } from 'slonik';
import { z } from 'zod';
import { type Schema, tablesOf } from './models.ts';
import type { Database } from './pool.ts';

const writableRow = z.object({ role: z.string(), table: z.string() });

/** A role with a table that it may write to. */
export type WritableTable = z.infer<typeof writableRow>;

/**
 * Looks for a table of Better Auth's that the role may write to: by a grant on the table or a column, as its owner, as a
 * superuser, or by a role that it is a member of, such as `pg_write_all_data`. Null when there is none.
 */
export async function findWritableTable(db: Database, schema: Schema): Promise<WritableTable | null> {
  const tables = tablesOf(schema);
  const [found] = await db.rows(
    sql.unsafe`SELECT current_user::text AS role, named.schema || '.' || named.name AS "table"
      FROM unnest(${sql.array(
        tables.map(({ schema: name }) => name),
        'text',
      )}, ${sql.array(
        tables.map(({ table }) => table),
        'text',
      )}) AS named (schema, name)
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
