/** The JWKS table of Better Auth's jwt plugin. The column of the private key is neither selected nor granted. */
import { sql } from 'slonik';
import { z } from 'zod';
import type { Demand } from '../admission/demand.ts';
import type { Schema } from './models.ts';
import type { Database } from './pool.ts';
import { tableName } from './sql.ts';
import { type OnUnreadable, readable, textOf, time, timeOf } from './values.ts';

/** A row of the JWKS table. */
export interface JwksRecord {
  readonly id: string;
  /** The public JWK as JSON text. */
  readonly publicKey: string;
  readonly alg: string | null;
  readonly crv: string | null;
  /** Milliseconds since the epoch; null when the key does not expire. */
  readonly expiresAt: number | null;
}

/** Reads all public keys whose expiry can be read; none where the database has no JWKS table. */
export async function readJwks(
  db: Database,
  schema: Schema,
  onUnreadable: OnUnreadable,
  demand?: Demand,
): Promise<readonly JwksRecord[]> {
  const { jwks } = schema;
  if (jwks === null) return [];
  const { columns } = jwks;
  const rows = await db.rows(
    sql.unsafe`SELECT ${textOf('k', columns.id)} AS "id", ${textOf('k', columns.publicKey)} AS "publicKey",
        ${textOf('k', columns.alg)} AS "alg", ${textOf('k', columns.crv)} AS "crv",
        ${timeOf('k', columns.expiresAt)} AS "expiresAt"
      FROM ${tableName(jwks)} k`,
    jwksRow,
    demand,
  );
  // A key whose expiry cannot be read may have expired.
  return rows.filter(
    ({ expiresAt }) => expiresAt === null || readable(expiresAt, 'jwks.expiresAt', onUnreadable) !== null,
  );
}

const jwksRow = z.object({
  id: z.string(),
  publicKey: z.string(),
  alg: z.string().nullable(),
  crv: z.string().nullable(),
  expiresAt: time,
});
