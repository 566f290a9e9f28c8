/**
 * The issuers of the configuration and the places where they publish their keys: Better Auth's `jwks` table, or the URL of a
 * JSON Web Key Set (RFC 7517 section 5), Better Auth's `/api/auth/jwks` for one.
 */
import type { Clock } from '../clock.ts';
import type { PublishedKey } from './jwk.ts';
import { createJwksCache, type JwksCache, type JwksSource } from './jwks-cache.ts';
import type { JwksCacheEvent } from './jwks-cache-state.ts';
import { isJsonObject, type JsonObject } from './jws.ts';
import type { TokenType } from './kind.ts';
import type { IssuerOptions } from './verifier.ts';

/** One issuer of tokens that are signed with published keys. */
export interface IssuerConfig {
  /** The value that `iss` must have. */
  readonly issuer: string;
  /** Where its keys are: Better Auth's `jwks` table, or the URL of a key set. */
  readonly keys: 'database' | URL;
  /** One of them has to be among the token's. */
  readonly audiences: readonly string[];
  /** The accepted kinds of its tokens. */
  readonly types: readonly TokenType[];
}

export interface IssuerKeysOptions {
  /** Reads the `jwks` table. */
  readonly readRows: (signal: AbortSignal) => Promise<readonly JwksRow[]>;
  /** How long a key of the table verifies after its `expiresAt`, in milliseconds. */
  readonly graceMs: number;
  readonly clock: Clock;
  /**
   * Must not throw.
   * @param source `database`, or the URL of the key set without its query.
   */
  readonly onEvent: (event: JwksCacheEvent, source: string) => void;
}

/** The keys of all issuers. */
export interface IssuerKeys extends Pick<JwksCache, 'start' | 'stop'> {
  readonly issuers: readonly IssuerOptions[];
}

/**
 * Builds a JWKS cache for each place where keys are published. Issuers that share a place share its cache: each host of the
 * application is an issuer, with the keys of one table.
 */
export function createIssuerKeys(configs: readonly IssuerConfig[], options: IssuerKeysOptions): IssuerKeys {
  const caches = new Map<string, JwksCache>();
  const cacheOf = (keys: IssuerConfig['keys']): JwksCache => {
    const known = caches.get(String(keys));
    if (known !== undefined) return known;
    const { readRows, graceMs, clock, onEvent } = options;
    const place = keys === 'database' ? keys : `${keys.origin}${keys.pathname}`;
    const cache = createJwksCache(keys === 'database' ? databaseJwks(readRows) : remoteJwks(keys), {
      graceMs,
      clock,
      onEvent: (event) => onEvent(event, place),
    });
    caches.set(String(keys), cache);
    return cache;
  };
  return {
    issuers: configs.map(({ keys, ...config }) => ({ ...config, keys: cacheOf(keys) })),
    start: async () => void (await Promise.all([...caches.values()].map((cache) => cache.start()))),
    stop: () => {
      for (const cache of caches.values()) cache.stop();
    },
  };
}

/** The needed columns of a row of Better Auth's `jwks` table. */
export interface JwksRow {
  /** The kid. */
  readonly id: string;
  /** The public JWK as JSON text. */
  readonly publicKey: string;
  readonly alg: string | null;
  readonly crv: string | null;
  /** Milliseconds since the epoch; null when the key does not expire. */
  readonly expiresAt: number | null;
}

/** The keys of Better Auth's `jwks` table; `readRows` is the query. */
export function databaseJwks(readRows: (signal: AbortSignal) => Promise<readonly JwksRow[]>): JwksSource {
  return {
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
  };
}

/** A row without a JSON object becomes an empty JWK. The cache skips it, and the other keys stay usable. */
function parseJwk(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

const MAX_BYTES = 1_048_576;

/**
 * The keys of a JSON Web Key Set over HTTP. The time limit is the caller's signal, which bounds the body, too.
 * @param url http or https, without a user or password.
 */
export function remoteJwks(url: URL, { maxBytes = MAX_BYTES }: { maxBytes?: number } = {}): JwksSource {
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new Error('A key set URL is http or https.');
  if (url.username !== '' || url.password !== '') throw new Error('A key set URL has no user or password.');
  return {
    fetchKeys: async (signal) => {
      // A redirect would let anyone with control over one path of the issuer choose another host to trust.
      const response = await fetch(url, { signal, redirect: 'manual', headers: { accept: 'application/json' } });
      if (response.status !== 200) {
        await response.body?.cancel();
        throw new Error(`The key set URL answered with status ${response.status}.`);
      }
      return parseJwks(await readLimited(response, maxBytes));
    },
  };
}

/**
 * The keys of a JSON Web Key Set. Their import decides later whether each of them can be used.
 * @throws Error when the text is not a key set.
 */
export function parseJwks(text: string): readonly PublishedKey[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new Error('The answer is not a JSON Web Key Set: it is not JSON.', { cause });
  }
  const keys = isJsonObject(parsed) ? parsed['keys'] : undefined;
  if (!Array.isArray(keys) || !keys.every(isJsonObject)) throw new Error('The answer is not a JSON Web Key Set.');
  return keys.map((jwk) => ({
    kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : '',
    jwk,
    alg: null,
    // A set lists the keys that are valid now: Better Auth leaves a key out after its grace.
    expiresAt: null,
  }));
}

async function readLimited(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  // Counts the bytes as they arrive and after decompression: the sender chooses the length in the header.
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`The key set is larger than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}
