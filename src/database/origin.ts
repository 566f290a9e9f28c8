/** Names what facts are read from. */
import { createHash } from 'node:crypto';
import { Client } from 'pg';
import type { Schema } from './models.ts';
import { verifying } from './read-only-driver.ts';

/**
 * A name for the tables of one database, the same in all processes that read them under the same address, whoever they
 * connect as: credentials change, and say nothing about what is read.
 */
export const originOf = (databaseUrl: string, schema: Schema): string => {
  // As pg itself reads the URL and what it leaves to the environment; nothing is connected.
  const { host, port, database } = new Client({ connectionString: verifying(databaseUrl) });
  const read = JSON.stringify([host, port, database, schema]);
  return createHash('sha256').update(read).digest('base64url').slice(0, 16);
};
