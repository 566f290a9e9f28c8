/** Names what facts are read from. */
import { createHash } from 'node:crypto';
import { type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { AssentError } from '../errors.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';

const identityRow = z.object({ server: z.string(), database: z.string() });

/**
 * Which database this is, as the server says, whatever the way to it: replicas have sidecars and poolers of their own, and
 * share what they read. A server keeps its identifier for life, and its copies have it too. Where the role may not ask for
 * it, it is the moment at which the server started: after another start facts are read anew. Never anything of DATABASE_URL.
 */
export const readIdentity = async (db: Database): Promise<readonly unknown[]> => {
  const read = async (server: FragmentSqlToken): Promise<readonly unknown[]> => {
    const rows = await db.rows(
      sql.unsafe`SELECT ${server}::text AS server, oid::text AS database
        FROM pg_database WHERE datname = current_database()`,
      identityRow,
    );
    return rows.flatMap((row) => [row.server, row.database]);
  };
  try {
    return await read(sql.fragment`(SELECT system_identifier FROM pg_control_system())`);
  } catch (error) {
    if (error instanceof AssentError) throw error;
    return read(sql.fragment`extract(epoch FROM pg_postmaster_start_time())`);
  }
};

/** A name for the tables of one database, the same in all processes that read them, whoever they connect as. */
export const originOf = (identity: readonly unknown[], schema: Schema): string =>
  createHash('sha256')
    .update(JSON.stringify([identity, schema]))
    .digest('base64url')
    .slice(0, 16);
