/** Keys, tokens and refusals for the tests of tokens. */
import { createHmac } from 'node:crypto';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { AssentError, type ErrorCode } from '../../../src/errors.ts';
import type { PublishedKey } from '../../../src/token/jwk.ts';
import { createJwksCache, type JwksCache } from '../../../src/token/jwks-cache.ts';
import { createTokenVerifier, type Hs256Options } from '../../../src/token/verifier.ts';

/** The time of every test that does not move it: whole seconds and its milliseconds. */
export const NOW_SECONDS = 1_800_000_000;
export const NOW_MS = NOW_SECONDS * 1000;

export const SECRET = 'a-secret-of-the-tests-that-is-long-enough';
export const ISSUER = 'https://id.example.com';

/** The least that an HS256 token needs. */
export const HS256_CLAIMS = {
  userId: 'user-1',
  email: 'ada@example.com',
  role: 'user',
  isActive: true,
  iat: NOW_SECONDS - 60,
  exp: NOW_SECONDS + 600,
};

/** The least that an asymmetric token needs. */
export const ASYMMETRIC_CLAIMS = { sub: 'user-1', iss: ISSUER, aud: ISSUER, exp: NOW_SECONDS + 600 };

/** One key pair and how it is published. */
export interface TestKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
  readonly published: PublishedKey;
}

export const createTestKey = async (alg: string, kid = `${alg}-key`): Promise<TestKey> => {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return {
    kid,
    alg,
    privateKey,
    publicKey,
    publicJwk,
    published: { kid, jwk: { ...publicJwk }, alg, expiresAt: null },
  };
};

export const signWith = (key: TestKey, claims: object, header: object = {}): Promise<string> =>
  new SignJWT({ ...claims }).setProtectedHeader({ alg: key.alg, kid: key.kid, ...header }).sign(key.privateKey);

export const encodePart = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url');

/** An HMAC token made by hand, so that nothing stops it from being wrong. */
export const signHmac = (
  payload: object | string,
  { header = { alg: 'HS256' }, secret = SECRET }: { header?: object | string; secret?: string | Uint8Array } = {},
): string => {
  const text = (value: object | string): string => (typeof value === 'string' ? value : JSON.stringify(value));
  const signed = `${encodePart(text(header))}.${encodePart(text(payload))}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
};

/** A key set that has these keys and is never asked for more. */
export const createStaticKeys = async (...keys: readonly PublishedKey[]): Promise<JwksCache> => {
  const set = createJwksCache(
    { fetchKeys: async () => keys },
    // A refresh would read the same again, and nothing has to wait for one.
    { clock: { now: () => NOW_MS, monotonic: () => 0 } },
  );
  await set.start();
  return set;
};

export const createHs256Verifier = (options: Partial<Hs256Options> = {}, now = () => NOW_MS) =>
  createTokenVerifier({ hs256: { secrets: [SECRET], ...options }, issuers: [], now });

/** The code of the refusal; any other outcome fails the test and is shown. */
export const refusalOf = async (result: unknown): Promise<ErrorCode> => {
  let value: unknown;
  try {
    value = await (typeof result === 'function' ? result() : result);
  } catch (error) {
    if (error instanceof AssentError) return error.code;
    throw error;
  }
  throw new Error(`It was not refused: ${JSON.stringify(value)}`);
};
