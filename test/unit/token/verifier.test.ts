import { createHmac, KeyObject, sign } from 'node:crypto';
import { exportSPKI, SignJWT } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createJwksCache } from '../../../src/token/jwks-cache.ts';
import type { TokenVerifier } from '../../../src/token/principal.ts';
import { createTokenVerifier, type Hs256Options, type IssuerOptions } from '../../../src/token/verifier.ts';
import {
  ASYMMETRIC_CLAIMS,
  createHs256Verifier,
  createStaticKeys,
  createTestKey,
  encodePart,
  HS256_CLAIMS,
  ISSUER,
  NOW_MS,
  NOW_SECONDS,
  refusalOf,
  SECRET,
  signHmac,
  signWith,
  type TestKey,
} from '../../support/token/signing.ts';

const ALGORITHMS = ['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'PS256'];
const OTHER_SECRET = 'another-secret-of-the-tests-that-is-long';

const keys = new Map<string, TestKey>();
const keyOf = (alg: string): TestKey => {
  const key = keys.get(alg);
  if (key === undefined) throw new Error(`no key for ${alg}`);
  return key;
};

/** Takes HS256 and every asymmetric algorithm. */
let verifier: TokenVerifier;
beforeAll(async () => {
  for (const alg of ALGORITHMS) keys.set(alg, await createTestKey(alg));
  verifier = createTokenVerifier({
    hs256: { secrets: [SECRET] },
    issuers: [
      {
        keys: await createStaticKeys(...[...keys.values()].map(({ published }) => published)),
        issuer: ISSUER,
        audiences: [ISSUER, 'api'],
      },
    ],
    now: () => NOW_MS,
  });
});

const partsOf = (token: string): [string, string, string] => {
  const [header = '', payload = '', signature = ''] = token.split('.');
  return [header, payload, signature];
};

const editPart = (part: string, edit: (json: Record<string, unknown>) => object): string =>
  encodePart(JSON.stringify(edit(JSON.parse(Buffer.from(part, 'base64url').toString()))));

const flipByte = (part: string, index: number): string => {
  const bytes = Buffer.from(part, 'base64url');
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return encodePart(bytes);
};

/** A genuine token of an algorithm. */
const genuine = (alg: string): Promise<string> =>
  alg === 'HS256' ? Promise.resolve(signHmac(HS256_CLAIMS)) : signWith(keyOf(alg), ASYMMETRIC_CLAIMS);

describe.each(['HS256', ...ALGORITHMS])('a token signed with %s', (alg) => {
  it('a signed token is verified, with and without Bearer', async () => {
    const token = await genuine(alg);
    const verified = await verifier.verify(token);
    expect(verified).toMatchObject({ principal: { userId: 'user-1' }, expiresAt: NOW_SECONDS + 600 });
    expect(await verifier.verify(`Bearer ${token}`)).toEqual(verified);
    expect(await verifier.verify(`bEARER   ${token}`)).toEqual(verified);
  });

  it('a signed token is refused when any part is changed, after the genuine one was verified', async () => {
    const token = await genuine(alg);
    const [header, payload, signature] = partsOf(token);
    const refused = async (...parts: string[]) => {
      await verifier.verify(token);
      return refusalOf(() => verifier.verify(parts.join('.')));
    };
    const id = alg === 'HS256' ? 'userId' : 'sub';
    const otherPayload = editPart(payload, (claims) => ({ ...claims, [id]: 'user-2' }));
    expect(await refused(header, otherPayload, signature)).toBe('TOKEN_SIGNATURE_INVALID');
    expect(
      await refused(
        editPart(header, (json) => ({ ...json, typ: 'JWT' })),
        payload,
        signature,
      ),
    ).toBe('TOKEN_SIGNATURE_INVALID');
    for (const index of [0, 20, Buffer.from(signature, 'base64url').length - 1]) {
      expect(await refused(header, payload, flipByte(signature, index))).toBe('TOKEN_SIGNATURE_INVALID');
    }
    expect(await refused(header, payload, signature.slice(0, -4))).toMatch(/^TOKEN_(SIGNATURE_INVALID|MALFORMED)$/);
    expect(await refused(header, payload, `${signature}AAAA`)).toMatch(/^TOKEN_(SIGNATURE_INVALID|MALFORMED)$/);
    expect(await refused(header, payload, 'AAAA')).toBe('TOKEN_SIGNATURE_INVALID');
    expect(await refused(header, payload, '')).toBe('TOKEN_MALFORMED');
    expect(await refused(header, otherPayload, partsOf(await genuine(alg))[2])).toBe('TOKEN_SIGNATURE_INVALID');
  });

  it('a signed token is refused when it expires, although it verified before', async () => {
    let now = NOW_MS;
    const moving = createTokenVerifier({
      hs256: { secrets: [SECRET] },
      issuers:
        alg === 'HS256'
          ? []
          : [{ keys: await createStaticKeys(keyOf(alg).published), issuer: ISSUER, audiences: [ISSUER] }],
      now: () => now,
    });
    const token = await genuine(alg);
    now = (NOW_SECONDS + 600) * 1000 - 1;
    expect(await moving.verify(token)).toMatchObject({ principal: { userId: 'user-1' } });
    now += 1;
    expect(await refusalOf(() => moving.verify(token))).toBe('TOKEN_EXPIRED');
  });
});

describe('the algorithm of a token', () => {
  it.each([
    ['none', 'none'],
    ['None', 'None'],
    ['HS384', 'HS384'],
    ['HS512', 'HS512'],
    ['RS384', 'RS384'],
    ['PS512', 'PS512'],
    ['ES256K', 'ES256K'],
    ['Ed448', 'Ed448'],
    ['lower case', 'hs256'],
    ['nothing', ''],
    ['a name that every object has', 'constructor'],
  ])('a token with the algorithm %s is refused', async (_name, alg) => {
    for (const claims of [HS256_CLAIMS, ASYMMETRIC_CLAIMS]) {
      const [header, payload, signature] = partsOf(signHmac(claims, { header: { alg, kid: 'EdDSA-key' } }));
      expect(await refusalOf(() => verifier.verify(`${header}.${payload}.${signature}`))).toBe(
        'TOKEN_ALGORITHM_REFUSED',
      );
      expect(await refusalOf(() => verifier.verify(`${header}.${payload}.`))).toBe('TOKEN_ALGORITHM_REFUSED');
    }
  });

  it.each(ALGORITHMS)('a token that names a key of %s and another algorithm is refused', async (alg) => {
    for (const other of ALGORITHMS.filter((one) => one !== alg)) {
      // Signed with the right private key of the other algorithm, naming this key.
      const token = await signWith(keyOf(other), ASYMMETRIC_CLAIMS, { kid: keyOf(alg).kid });
      expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_ALGORITHM_REFUSED');
    }
  });

  it.each([
    ['EdDSA', 'Ed25519'],
    ['Ed25519', 'EdDSA'],
    ['Ed25519', 'Ed25519'],
    ['Ed25519', undefined],
  ])(
    'a token with the algorithm %s is accepted with the alg %s of its key: both are names of one algorithm (RFC 9864)',
    async (ofToken, ofKey) => {
      const key = keyOf('EdDSA');
      for (const beside of [ofKey ?? null, null]) {
        const jwk = { ...key.published.jwk, ...(ofKey === undefined ? {} : { alg: ofKey }) };
        const keySet = await createStaticKeys({ ...key.published, jwk, alg: beside });
        const issuers = [{ keys: keySet, issuer: ISSUER, audiences: [ISSUER] }];
        const verified = createTokenVerifier({ hs256: null, issuers, now: () => NOW_MS });
        const header = { alg: ofToken, kid: key.kid };
        const signed = [header, ASYMMETRIC_CLAIMS].map((part) => encodePart(JSON.stringify(part))).join('.');
        const signature = sign(null, Buffer.from(signed), KeyObject.from(key.privateKey));
        const token = `${signed}.${encodePart(signature)}`;
        expect(await verified.verify(token)).toMatchObject({ principal: { userId: 'user-1' } });
        expect(await refusalOf(() => verified.verify(`${signed}.${flipByte(encodePart(signature), 5)}`))).toBe(
          'TOKEN_SIGNATURE_INVALID',
        );
      }
    },
  );

  it('a token with the algorithm Ed25519 is refused when its key is of another algorithm', async () => {
    const token = await signWith(keyOf('ES256'), ASYMMETRIC_CLAIMS, { kid: keyOf('ES256').kid });
    const [, payload, signature] = partsOf(token);
    const header = encodePart(JSON.stringify({ alg: 'Ed25519', kid: keyOf('ES256').kid }));
    expect(await refusalOf(() => verifier.verify(`${header}.${payload}.${signature}`))).toBe('TOKEN_ALGORITHM_REFUSED');
  });

  it('an HS256 token is never verified with the bytes of a public key', async () => {
    for (const key of keys.values()) {
      const pem = await exportSPKI(key.publicKey);
      const der = Buffer.from(pem.replace(/-----[^-]+-----|\n/g, ''), 'base64');
      const { x = '', n = '' } = key.publicJwk;
      const secrets: (string | Uint8Array)[] = [
        pem,
        pem.trim(),
        der,
        JSON.stringify(key.publicJwk),
        JSON.stringify(key.published.jwk),
        x || n,
        Buffer.from(x || n, 'base64url'),
        key.kid,
        '',
      ];
      for (const secret of secrets) {
        for (const claims of [HS256_CLAIMS, { ...HS256_CLAIMS, ...ASYMMETRIC_CLAIMS }]) {
          const token = signHmac(claims, { header: { alg: 'HS256', kid: key.kid }, secret });
          expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_SIGNATURE_INVALID');
          // The same signature under the name of the key's own algorithm.
          const asymmetric = signHmac(claims, { header: { alg: key.alg, kid: key.kid }, secret });
          expect(await refusalOf(() => verifier.verify(asymmetric))).toBe('TOKEN_SIGNATURE_INVALID');
        }
      }
    }
  });

  it('an HS256 token with the kid of a public key is checked with the secret alone', async () => {
    const token = signHmac(HS256_CLAIMS, { header: { alg: 'HS256', kid: 'EdDSA-key' } });
    expect(await verifier.verify(token)).toMatchObject({ principal: { userId: 'user-1' } });
  });

  it('a token is refused when its family of algorithms is not configured', async () => {
    const hs256Only = createHs256Verifier();
    expect(await refusalOf(async () => hs256Only.verify(await genuine('EdDSA')))).toBe('TOKEN_ALGORITHM_REFUSED');
    const asymmetricOnly = createTokenVerifier({
      hs256: null,
      issuers: [{ keys: await createStaticKeys(keyOf('EdDSA').published), issuer: ISSUER, audiences: [ISSUER] }],
      now: () => NOW_MS,
    });
    expect(await refusalOf(() => asymmetricOnly.verify(signHmac(HS256_CLAIMS)))).toBe('TOKEN_ALGORITHM_REFUSED');
    expect(await asymmetricOnly.verify(await genuine('EdDSA'))).toMatchObject({ principal: { userId: 'user-1' } });
  });
});

describe('the key of a token', () => {
  it.each<[string, object]>([
    ['no kid', { kid: undefined }],
    ['an empty kid', { kid: '' }],
    ['an unknown kid', { kid: 'unknown' }],
    ['the name of a property', { kid: '__proto__' }],
  ])('the key of a token is unknown with %s', async (_name, header) => {
    const token = await signWith(keyOf('EdDSA'), ASYMMETRIC_CLAIMS, header);
    expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_KEY_UNKNOWN');
  });

  it('the key of a token is not looked up without a kid', async () => {
    const keys = { find: () => Promise.reject(new Error('looked for')) };
    const strict = createTokenVerifier({ hs256: null, issuers: [{ keys, issuer: ISSUER, audiences: [ISSUER] }] });
    for (const kid of [undefined, '']) {
      const token = await signWith(keyOf('EdDSA'), ASYMMETRIC_CLAIMS, { kid });
      expect(await refusalOf(() => strict.verify(token))).toBe('TOKEN_KEY_UNKNOWN');
    }
  });

  it('the key of a token is the published one, whatever key the header of the token contains', async () => {
    const mine = await createTestKey('EdDSA', 'EdDSA-key');
    for (const header of [
      { jwk: mine.publicJwk },
      { jku: 'https://evil.example.com/jwks' },
      { x5u: 'https://evil.example.com/x' },
      { x5c: ['AAAA'] },
    ]) {
      const token = await signWith(mine, ASYMMETRIC_CLAIMS, header);
      expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_SIGNATURE_INVALID');
    }
  });

  it('the key of a token is unavailable without keys, while HS256 tokens still verify', async () => {
    const unavailable = createTokenVerifier({
      hs256: { secrets: [SECRET] },
      issuers: [
        {
          keys: createJwksCache({ fetchKeys: () => Promise.reject(new Error('unreachable')) }),
          issuer: ISSUER,
          audiences: [ISSUER],
        },
      ],
      now: () => NOW_MS,
    });
    expect(await refusalOf(async () => unavailable.verify(await genuine('EdDSA')))).toBe('KEYS_UNAVAILABLE');
    expect(await unavailable.verify(signHmac(HS256_CLAIMS))).toMatchObject({ principal: { userId: 'user-1' } });
  });
});

describe('several secrets', () => {
  it('several secrets all verify, and no other secret does', async () => {
    const both = createHs256Verifier({ secrets: [OTHER_SECRET, SECRET] });
    for (const secret of [SECRET, OTHER_SECRET]) {
      expect(await both.verify(signHmac(HS256_CLAIMS, { secret }))).toMatchObject({ principal: { userId: 'user-1' } });
    }
    const third = signHmac(HS256_CLAIMS, { secret: `${SECRET}x` });
    expect(await refusalOf(() => both.verify(third))).toBe('TOKEN_SIGNATURE_INVALID');
  });

  it('several secrets verify as Better Auth signs: the bytes of the text in UTF-8', async () => {
    const secret = 'ein Geheimnis mit Umlauten: äöüß und mehr';
    const token = await new SignJWT({ ...HS256_CLAIMS })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret));
    const own = createHs256Verifier({ secrets: [secret] });
    expect(await own.verify(token)).toMatchObject({ principal: { userId: 'user-1' } });
  });
});

describe('the payload of a token', () => {
  it.each<[string, string]>([
    ['no JSON', 'payload'],
    ['an array', '[]'],
    ['null', 'null'],
    ['a claim twice', JSON.stringify(HS256_CLAIMS).replace('{', '{"userId":"user-2",')],
    ['a claim twice, once escaped', JSON.stringify(HS256_CLAIMS).replace('{', '{"user\\u0049d":"user-2",')],
  ])('a signed token whose payload has %s is malformed', async (_name, payload) => {
    expect(await refusalOf(() => verifier.verify(signHmac(payload)))).toBe('TOKEN_MALFORMED');
  });

  it('a signed token whose payload is not UTF-8 is malformed', async () => {
    const text = JSON.stringify(HS256_CLAIMS);
    const bytes = Buffer.from(text, 'latin1');
    bytes[text.indexOf('ada')] = 0xff;
    const signed = `${encodePart('{"alg":"HS256"}')}.${encodePart(bytes)}`;
    const token = `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
    expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_MALFORMED');
  });

  it('the payload of a token is checked only after the signature', async () => {
    const expired = { ...HS256_CLAIMS, exp: 0 };
    expect(await refusalOf(() => verifier.verify(signHmac(expired, { secret: OTHER_SECRET })))).toBe(
      'TOKEN_SIGNATURE_INVALID',
    );
    expect(await refusalOf(() => verifier.verify(signHmac(expired)))).toBe('TOKEN_EXPIRED');
  });

  it('the payload of an asymmetric token needs the issuer and one of the audiences', async () => {
    const check = async (changes: object) =>
      refusalOf(async () => verifier.verify(await signWith(keyOf('EdDSA'), { ...ASYMMETRIC_CLAIMS, ...changes })));
    expect(await check({ iss: undefined })).toBe('TOKEN_ISSUER_MISMATCH');
    expect(await check({ iss: 'https://other.example.com' })).toBe('TOKEN_ISSUER_MISMATCH');
    expect(await check({ aud: undefined })).toBe('TOKEN_AUDIENCE_MISMATCH');
    expect(await check({ aud: 'shop' })).toBe('TOKEN_AUDIENCE_MISMATCH');
    const api = await signWith(keyOf('EdDSA'), { ...ASYMMETRIC_CLAIMS, aud: ['shop', 'api'] });
    expect(await verifier.verify(api)).toMatchObject({ principal: { userId: 'user-1' } });
  });

  it('the payload of an HS256 token must fit the configured issuer and audience', async () => {
    const strict = createHs256Verifier({ issuer: ISSUER, audiences: ['shop', 'api'] });
    const check = (changes: object) => refusalOf(() => strict.verify(signHmac({ ...HS256_CLAIMS, ...changes })));
    expect(await check({ aud: 'api' })).toBe('TOKEN_ISSUER_MISMATCH');
    expect(await check({ iss: ISSUER })).toBe('TOKEN_AUDIENCE_MISMATCH');
    const fits = signHmac({ ...HS256_CLAIMS, iss: ISSUER, aud: 'api' });
    expect(await strict.verify(fits)).toMatchObject({ principal: { userId: 'user-1' } });
  });

  it('a session cookie is refused by the type of its payload', async () => {
    const header = { typ: 'better-auth.session-cache+jwt' };
    expect(
      await refusalOf(async () => verifier.verify(await signWith(keyOf('EdDSA'), ASYMMETRIC_CLAIMS, header))),
    ).toBe('TOKEN_CLAIMS_INVALID');
    expect(
      await refusalOf(() => verifier.verify(signHmac(HS256_CLAIMS, { header: { alg: 'HS256', ...header } }))),
    ).toBe('TOKEN_CLAIMS_INVALID');
  });
});

describe('a verifier that would leave a check out', () => {
  it.each<[string, Partial<Hs256Options>]>([
    ['no secret', { secrets: [] }],
    ['an empty secret', { secrets: [''] }],
    ['a secret of 31 characters', { secrets: [SECRET, 'x'.repeat(31)] }],
    ['an empty HS256 issuer', { issuer: '' }],
    ['an empty HS256 audience', { audiences: [''] }],
    ['no HS256 audience', { audiences: [] }],
    ['no kind of HS256 token', { types: [] }],
  ])('a verifier that would leave a check out is not built: %s', (_name, options) => {
    expect(() => createHs256Verifier(options)).toThrow();
  });

  it.each<[string, readonly Partial<IssuerOptions>[]]>([
    ['an empty issuer', [{ issuer: '' }]],
    ['an empty audience', [{ audiences: [''] }]],
    ['no audience', [{ audiences: [] }]],
    ['an empty audience among others', [{ audiences: ['api', ''] }]],
    ['no kind', [{ types: [] }]],
    ['an issuer twice', [{}, { audiences: ['shop'] }]],
    ['an empty audience of another issuer', [{}, { issuer: 'https://other.example.com', audiences: [''] }]],
  ])('a verifier that would leave a check out is not built: %s', async (_name, changes) => {
    const keys = await createStaticKeys();
    const issuers = changes.map((change) => ({ keys, issuer: ISSUER, audiences: ['api'], ...change }));
    expect(() => createTokenVerifier({ hs256: null, issuers })).toThrow();
  });

  it('a refused verifier never repeats a secret in its error', () => {
    expect(() => createHs256Verifier({ secrets: ['short-secret'] })).toThrow(/^(?!.*short-secret)/);
  });
});
