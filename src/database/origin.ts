/** Names what facts are read from. */
import { createHash } from 'node:crypto';
import { Client } from 'pg';
import { sql } from 'slonik';
import { z } from 'zod';
import { AssentError } from '../errors.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { verifying } from './read-only-driver.ts';

const identityRow = z.object({ server: z.string(), database: z.string() });

/**
 * Which database this is, whatever the way to it: replicas have sidecars and poolers of their own, and share what they read.
 * A server keeps its identifier for life, and its copies have it too. Where the role may not ask, or the server is another
 * make, it is the address, as pg itself reads the URL and what it leaves to the environment.
 */
export const readIdentity = async (db: Database, databaseUrl: string): Promise<readonly unknown[]> => {
  try {
    const [row] = await db.rows(
      sql.unsafe`SELECT system_identifier::text AS server, oid::text AS database
        FROM pg_control_system(), pg_database WHERE datname = current_database()`,
      identityRow,
    );
    if (row !== undefined) return [row.server, row.database];
  } catch (error) {
    if (error instanceof AssentError) throw error;
  }
  const { host, port, database } = new Client({ connectionString: verifying(databaseUrl) });
  return [host, port, database];
};

/** A name for the tables of one database, the same in all processes that read them, whoever they connect as. */
export const originOf = (identity: readonly unknown[], schema: Schema): string =>
  createHash('sha256')
    .update(JSON.stringify([identity, schema]))
    .digest('base64url')
    .slice(0, 16);
