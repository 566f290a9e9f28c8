/** Keys of every algorithm of the jwt plugin in one real `jwks` table, read by the service's own query. */
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin, type JwtOptions, jwt } from 'better-auth/plugins';
import { decodeProtectedHeader } from 'jose';
import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { ownDemand } from '../../../src/admission/demand.ts';
import { createJwksCache } from '../../../src/token/jwks-cache.ts';
import { databaseJwks } from '../../../src/token/jwks-sources.ts';
import { createTokenVerifier } from '../../../src/token/verifier.ts';
import { directoryOf } from '../../../tools/assent/directory.ts';
import { testDatabase } from '../../support/database.ts';
import { refusalOf } from '../../support/token/signing.ts';

const ORIGIN = 'http://localhost:3000';
const { url } = await testDatabase();
const pool = new pg.Pool({ connectionString: url });
const directory = directoryOf(url);
const keys = createJwksCache(databaseJwks((signal) => directory.jwks(ownDemand(signal))));
afterAll(async () => {
  keys.stop();
  await directory.end();
  await pool.end();
});

type KeyPair = NonNullable<NonNullable<JwtOptions['jwks']>['keyPairConfig']>;
const createAuth = (keyPairConfig: KeyPair) =>
  betterAuth({
    database: pool,
    baseURL: ORIGIN,
    secret: 'a-secret-of-the-tests-that-is-long-enough',
    logger: { disabled: true },
    emailAndPassword: { enabled: true },
    plugins: [admin(), jwt({ jwks: { keyPairConfig } })],
  });

const ALGORITHMS: readonly KeyPair[] = [
  { alg: 'EdDSA', crv: 'Ed25519' },
  { alg: 'ES256' },
  { alg: 'ES512' },
  { alg: 'RS256', modulusLength: 2048 },
  { alg: 'PS256', modulusLength: 2048 },
];

it('tokens of every algorithm verify with the keys of the table, and no longer when their rows are deleted', async () => {
  const first = createAuth({ alg: 'EdDSA', crv: 'Ed25519' });
  await (await getMigrations(first.options)).runMigrations();
  const { headers, response } = await first.api.signUpEmail({
    body: { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' },
    returnHeaders: true,
  });
  const cookie = headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
  const tokens: string[] = [];
  for (const algorithm of ALGORITHMS) {
    // A plugin signs with the newest key that is not expired, whatever it is configured with.
    await pool.query(`UPDATE jwks SET "expiresAt" = now() - interval '1 second'`);
    const { token } = await createAuth(algorithm).api.getToken({ headers: new Headers({ cookie }) });
    expect(decodeProtectedHeader(token).alg).toBe(algorithm.alg);
    tokens.push(token);
  }
  await keys.start();
  const verifier = createTokenVerifier({ hs256: null, issuers: [{ keys, issuer: ORIGIN, audiences: [ORIGIN] }] });
  for (const token of tokens) {
    expect(await verifier.verify(token)).toMatchObject({ principal: { userId: response.user.id, role: 'user' } });
  }
  await pool.query('DELETE FROM jwks');
  await keys.start();
  for (const token of tokens)
    expect(await refusalOf(() => verifier.verify(token))).toMatch(/TOKEN_KEY_UNKNOWN|KEYS_UNAVAILABLE/);
});
