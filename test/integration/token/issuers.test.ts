/** Several issuers: the issuer of a token decides the keys, audiences and kinds of its check. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import type { KeyFinder } from '../../../src/token/jwks-cache.ts';
import { createIssuerKeys } from '../../../src/token/jwks-sources.ts';
import type { TokenVerifier } from '../../../src/token/principal.ts';
import { createTokenVerifier, type IssuerOptions } from '../../../src/token/verifier.ts';
import {
  ASYMMETRIC_CLAIMS,
  createStaticKeys,
  createTestKey,
  encodePart,
  HS256_CLAIMS,
  NOW_MS,
  refusalOf,
  SECRET,
  signHmac,
  signWith,
  type TestKey,
} from '../../support/token/signing.ts';

const OWN = 'https://app.example.com';
const PROVIDER = 'https://app.example.com/api/auth';
const OTHER = 'https://id.example.org';

let own: TestKey;
let other: TestKey;
/** Kids for which each issuer's keys were asked. */
const asked: Record<string, string[]> = { own: [], other: [] };
let verifier: TokenVerifier;

/** A finder that notes for which kids it was asked. */
const noting = (name: string, finder: KeyFinder): KeyFinder => ({
  find: (kid) => {
    asked[name]?.push(kid);
    return finder.find(kid);
  },
});

beforeAll(async () => {
  // Both under one name: which key a kid means is a matter of who published it.
  own = await createTestKey('EdDSA', 'key-1');
  other = await createTestKey('EdDSA', 'key-1');
  const ownKeys = noting('own', await createStaticKeys(own.published));
  const issuers: readonly IssuerOptions[] = [
    { issuer: OWN, keys: ownKeys, audiences: [OWN] },
    { issuer: PROVIDER, keys: ownKeys, audiences: ['https://api.example.com'], types: ['at+jwt'] },
    { issuer: OTHER, keys: noting('other', await createStaticKeys(other.published)), audiences: ['api', 'shop'] },
  ];
  verifier = createTokenVerifier({ hs256: { secrets: [SECRET] }, issuers, now: () => NOW_MS });
});

const of = (iss: unknown, aud: unknown, more: object = {}) => ({ ...ASYMMETRIC_CLAIMS, iss, aud, ...more });
const ACCESS = { client_id: 'client', scope: 'leave:read' };

describe('a token of one of several issuers', () => {
  it('a token of one of several issuers is checked with the keys, audiences and kinds of its issuer', async () => {
    expect(await verifier.verify(await signWith(own, of(OWN, OWN)))).toMatchObject({ principal: { client: null } });
    expect(await verifier.verify(await signWith(other, of(OTHER, ['shop'])))).toMatchObject({
      principal: { client: null },
    });
    const access = await signWith(own, of(PROVIDER, 'https://api.example.com', ACCESS), { typ: 'at+jwt' });
    expect(await verifier.verify(access)).toMatchObject({
      principal: { client: { id: 'client', scopes: ['leave:read'] } },
    });
  });

  it.each<[string, () => Promise<string>, string]>([
    ['the keys', () => signWith(other, of(OWN, OWN)), 'TOKEN_SIGNATURE_INVALID'],
    ['the keys, the other way round', () => signWith(own, of(OTHER, 'api')), 'TOKEN_SIGNATURE_INVALID'],
    ['the audience', () => signWith(own, of(OWN, 'api')), 'TOKEN_AUDIENCE_MISMATCH'],
    ['the audience, the other way round', () => signWith(other, of(OTHER, OWN)), 'TOKEN_AUDIENCE_MISMATCH'],
    ['the kind', () => signWith(own, of(OWN, OWN, ACCESS), { typ: 'at+jwt' }), 'TOKEN_CLAIMS_INVALID'],
    [
      'the kind, the other way round',
      () => signWith(own, of(PROVIDER, 'https://api.example.com')),
      'TOKEN_CLAIMS_INVALID',
    ],
  ])(
    'a token of one of several issuers is refused when it fits only %s of another issuer',
    async (_name, sign, code) => {
      const token = await sign();
      expect(await refusalOf(() => verifier.verify(token))).toBe(code);
    },
  );

  it.each<[string, unknown]>([
    ['no issuer', undefined],
    ['null', null],
    ['an unknown issuer', 'https://evil.example.com'],
    ['one more slash', `${OWN}/`],
    ['an issuer in a list', [OWN]],
    ['the name of a property', '__proto__'],
  ])('a token of one of several issuers is refused before any key is used when it names %s', async (_name, iss) => {
    const before = JSON.stringify(asked);
    const token = await signWith(own, of(iss, OWN), { kid: 'made-up' });
    expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_ISSUER_MISMATCH');
    expect(JSON.stringify(asked)).toBe(before);
  });

  it('a token of one of several issuers is refused before any key is used when its payload cannot be read', async () => {
    const before = JSON.stringify(asked);
    const header = encodePart(JSON.stringify({ alg: 'EdDSA', kid: 'key-1' }));
    for (const payload of ['[]', 'x', `{"iss":"${OWN}","iss":"${OTHER}"}`]) {
      const token = `${header}.${encodePart(payload)}.${encodePart(Buffer.alloc(64))}`;
      expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_MALFORMED');
    }
    expect(JSON.stringify(asked)).toBe(before);
  });

  it('a token of one of several issuers causes a fetch of the keys of its issuer only', async () => {
    asked['own'] = [];
    asked['other'] = [];
    expect(await refusalOf(async () => verifier.verify(await signWith(other, of(OTHER, 'api'), { kid: 'new' })))).toBe(
      'TOKEN_KEY_UNKNOWN',
    );
    expect(asked).toEqual({ own: [], other: ['new'] });
  });

  it('a token of one of several issuers is verified synchronously, without a promise', async () => {
    expect(verifier.verify(await signWith(own, of(OWN, OWN)))).not.toBeInstanceOf(Promise);
  });

  it('several issuers do not change the check of a token that is signed with the secret', async () => {
    expect(await verifier.verify(signHmac({ ...HS256_CLAIMS, iss: OTHER }))).toMatchObject({
      principal: { userId: 'user-1' },
    });
    expect(await refusalOf(() => verifier.verify(signHmac(of(OTHER, 'api'), { secret: `${SECRET}x` })))).toBe(
      'TOKEN_SIGNATURE_INVALID',
    );
  });
});

describe('the keys of issuers', () => {
  it('the keys of issuers are read once for each place where they are published, and events name the place', async () => {
    let served = 0;
    const server = createServer((_request, response) => {
      served += 1;
      response.end(JSON.stringify({ keys: [other.publicJwk, { ...other.publicJwk, kid: 'key-1' }] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const place = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    let reads = 0;
    const events: string[] = [];
    const url = new URL(`${place}?secret=hunter2`);
    const types = ['JWT'] as const;
    const keys = createIssuerKeys(
      [
        { issuer: OWN, keys: 'database', audiences: [OWN], types },
        { issuer: PROVIDER, keys: 'database', audiences: [OWN], types },
        { issuer: OTHER, keys: url, audiences: [OWN], types },
        { issuer: `${OTHER}/2`, keys: new URL(url), audiences: [OWN], types },
      ],
      {
        readRows: async () => {
          reads += 1;
          const row = { publicKey: JSON.stringify(own.publicJwk), alg: null, crv: null, expiresAt: NOW_MS - 1_000 };
          return [{ id: 'key-1', ...row }];
        },
        graceMs: 2_000,
        clock: { now: () => NOW_MS, monotonic: () => 0 },
        onEvent: ({ kind }, source) => events.push(`${kind} ${source}`),
      },
    );
    try {
      await keys.start();
      expect([reads, served]).toEqual([1, 1]);
      expect(events.toSorted()).toEqual([`key-skipped ${place}`, 'refreshed database', `refreshed ${place}`]);
      const both = createTokenVerifier({ hs256: null, issuers: keys.issuers, now: () => NOW_MS });
      for (const [key, issuers] of [
        [own, [OWN, PROVIDER]],
        [other, [OTHER, `${OTHER}/2`]],
      ] as const) {
        for (const issuer of issuers)
          expect(await both.verify(await signWith(key, of(issuer, OWN)))).toMatchObject({ principal: {} });
      }
    } finally {
      keys.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it.each([
    [0, 0, 'TOKEN_KEY_UNKNOWN'],
    [0, 1, 'TOKEN_KEY_UNKNOWN'],
    [1_001, 1, 'verifies'],
    [1_000, 1, 'TOKEN_KEY_UNKNOWN'],
    [90 * 86_400_000, 30 * 86_400, 'verifies'],
  ])(
    'the keys of issuers with a grace of %i ms, after an expiry %i s ago: %s',
    async (graceMs, secondsAgo, expected) => {
      const row = {
        publicKey: JSON.stringify(own.publicJwk),
        alg: null,
        crv: null,
        expiresAt: NOW_MS - secondsAgo * 1_000,
      };
      const keys = createIssuerKeys([{ issuer: OWN, keys: 'database', audiences: [OWN], types: ['JWT'] }], {
        readRows: async () => [{ id: 'key-1', ...row }],
        graceMs,
        clock: { now: () => NOW_MS, monotonic: () => 0 },
        onEvent: () => {},
      });
      await keys.start();
      const single = createTokenVerifier({ hs256: null, issuers: keys.issuers, now: () => NOW_MS });
      const token = await signWith(own, of(OWN, OWN));
      const outcome = await (async () => single.verify(token))().then(
        () => 'verifies',
        (error) => error.code,
      );
      keys.stop();
      expect(outcome).toBe(expected);
    },
  );
});
