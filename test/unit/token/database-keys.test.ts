import { expect, it } from 'vitest';
import { databaseJwks } from '../../../src/token/jwks-sources.ts';

it('rows of the jwks table become published keys, and a row without a JSON object becomes an empty JWK', async () => {
  const row = { alg: null, crv: 'Ed25519', expiresAt: 7 };
  const source = databaseJwks(async () => [
    { id: 'a', publicKey: '{"kty":"OKP"}', ...row },
    { id: 'b', publicKey: 'not JSON', ...row },
    { id: 'c', publicKey: '[1]', ...row },
  ]);
  expect(await source.fetchKeys(AbortSignal.timeout(1_000))).toEqual([
    { kid: 'a', jwk: { kty: 'OKP' }, ...row },
    { kid: 'b', jwk: {}, ...row },
    { kid: 'c', jwk: {}, ...row },
  ]);
});
