/** Better Auth's Drizzle adapter on tables that its own migration has made. */
import type { BetterAuthOptions } from 'better-auth';
import { drizzleAdapter } from 'better-auth/adapters/drizzle';
import { getAuthTables } from 'better-auth/db';
import { drizzle } from 'drizzle-orm/node-postgres';
import { boolean, integer, type PgTable, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import type pg from 'pg';

const column = (type: unknown, name: string) => {
  if (type === 'boolean') return boolean(name);
  if (type === 'number') return integer(name);
  return type === 'date' ? timestamp(name, { withTimezone: true }) : text(name);
};

/**
 * @param options Of the application, whose tables they are.
 * @param transaction Whether the adapter has transactions: by default it has none.
 */
export const drizzleDatabase = (pool: pg.Pool, options: BetterAuthOptions, transaction: boolean) => {
  const schema: Record<string, PgTable> = {};
  for (const { modelName, fields } of Object.values(getAuthTables(options))) {
    const columns = Object.entries(fields).map(([field, { type, fieldName }]) => {
      const name = fieldName ?? field;
      return [name, column(type, name)] as const;
    });
    schema[modelName] = pgTable(modelName, { id: text('id').primaryKey(), ...Object.fromEntries(columns) });
  }
  return drizzleAdapter(drizzle(pool, { schema }), { provider: 'pg', schema, transaction });
};
