/** The public keys of Better Auth's jwt plugin. The private key's column is neither selected nor granted. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { columnOf, epochMillis, millis, tableName, textOrNull } from './sql.ts';

/** A row of the `jwks` table. */
export interface KeyRecord {
  readonly id: string;
  /** The public JWK as JSON text. */
  readonly publicKey: string;
  readonly alg: string | null;
  readonly crv: string | null;
  /** Milliseconds since the epoch; null when the key does not expire. */
  readonly expiresAt: number | null;
}

const keyRow = z.object({
  id: z.string(),
  publicKey: z.string(),
  alg: z.string().nullable(),
  crv: z.string().nullable(),
  expiresAt: millis.nullable(),
});

/** Reads all keys; none without the jwt plugin's table. */
export const readKeys = async (db: Database, schema: Schema): Promise<readonly KeyRecord[]> => {
  const { jwks } = schema;
  if (jwks === null) return [];
  const { columns } = jwks;
  return db.rows(
    sql.unsafe`SELECT ${columnOf('k', columns.id)}::text AS "id", ${columnOf('k', columns.publicKey)}::text AS "publicKey",
        ${textOrNull('k', columns.alg)} AS "alg", ${textOrNull('k', columns.crv)} AS "crv",
        ${epochMillis('k', columns.expiresAt)} AS "expiresAt"
      FROM ${tableName(jwks)} k`,
    keyRow,
  );
};
