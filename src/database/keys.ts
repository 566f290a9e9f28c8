/** The public keys of Better Auth's jwt plugin. The private key's column is neither selected nor granted. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { tableName } from './sql.ts';
import { type OnUnreadable, readable, textOf, time, timeOf } from './values.ts';

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
  expiresAt: time,
});

/** Reads all keys whose end can be read; none without the jwt plugin's table. */
export const readKeys = async (
  db: Database,
  schema: Schema,
  onUnreadable: OnUnreadable,
  signal?: AbortSignal,
): Promise<readonly KeyRecord[]> => {
  const { jwks } = schema;
  if (jwks === null) return [];
  const { columns } = jwks;
  const rows = await db.rows(
    sql.unsafe`SELECT ${textOf('k', columns.id)} AS "id", ${textOf('k', columns.publicKey)} AS "publicKey",
        ${textOf('k', columns.alg)} AS "alg", ${textOf('k', columns.crv)} AS "crv",
        ${timeOf('k', columns.expiresAt)} AS "expiresAt"
      FROM ${tableName(jwks)} k`,
    keyRow,
    signal,
  );
  // Of a key whose end cannot be read nobody knows whether it has ended.
  return rows.filter(
    ({ expiresAt }) => expiresAt === null || readable(expiresAt, 'jwks.expiresAt', onUnreadable) !== null,
  );
};
