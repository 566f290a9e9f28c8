/** Public keys from rows of Better Auth's `jwks` table, however they are read. */
import { isJsonObject, type JsonObject } from './json.ts';
import type { KeySource } from './key-source.ts';

/** What is needed of a row. */
export interface StoredKey {
  /** The kid. */
  readonly id: string;
  /** The public JWK as JSON text. */
  readonly publicKey: string;
  readonly alg: string | null;
  readonly crv: string | null;
  /** Milliseconds since the epoch; null when the key does not expire. */
  readonly expiresAt: number | null;
}

/** A row that holds no object becomes a key that is skipped, so that it costs the others nothing. */
const parseJwk = (text: string): JsonObject => {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
};

/** A key source around whatever reads the rows. */
export const databaseKeySource = (readRows: (signal: AbortSignal) => Promise<readonly StoredKey[]>): KeySource => ({
  fetchKeys: async (signal) => {
    const rows = await readRows(signal);
    return rows.map(({ id, publicKey, alg, crv, expiresAt }) => ({
      kid: id,
      jwk: parseJwk(publicKey),
      alg,
      crv,
      expiresAt,
    }));
  },
});
