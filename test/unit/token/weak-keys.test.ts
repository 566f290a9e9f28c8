/** Published keys with which anyone can sign: none of them verifies a token. */
import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createJwksCache } from '../../../src/token/jwks-cache.ts';
import type { JwksCacheEvent } from '../../../src/token/jwks-cache-state.ts';
import { createTokenVerifier } from '../../../src/token/verifier.ts';
import { ASYMMETRIC_CLAIMS, encodePart, ISSUER, NOW_MS } from '../../support/token/signing.ts';

const { n } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
const ones = (bytes: number): string => encodePart(Buffer.alloc(bytes, 0xff));

/** What is known of a verifier that has one published key. */
const withKey = async (jwk: object, alg: string | null) => {
  const events: JwksCacheEvent[] = [];
  const keys = createJwksCache(
    { fetchKeys: async () => [{ kid: 'weak', jwk: { ...jwk }, alg, expiresAt: null }] },
    { clock: { now: () => NOW_MS, monotonic: () => 0 }, onEvent: (event) => events.push(event) },
  );
  await keys.start();
  const issuers = [{ keys, issuer: ISSUER, audiences: [ISSUER] }];
  const verifier = createTokenVerifier({ hs256: null, issuers, now: () => NOW_MS });
  keys.stop();
  return { verifier, skipped: events.find((event) => event.kind === 'key-skipped')?.reason };
};

const unsigned = (alg: string): string =>
  [{ alg, kid: 'weak' }, ASYMMETRIC_CLAIMS].map((part) => encodePart(JSON.stringify(part))).join('.');

/** RFC 8017 section 9.2: what an RS256 signature is, raised to the exponent. */
const encoded = (signed: string, bytes: number): Buffer => {
  const digest = createHash('sha256').update(signed).digest();
  const info = Buffer.concat([Buffer.from('3031300d060960864801650304020105000420', 'hex'), digest]);
  return Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(bytes - info.length - 3, 0xff), Buffer.from([0]), info]);
};

describe('an RSA key', () => {
  // With the exponent 1 the encoded message is its own signature, and no secret is needed for it.
  it.each(['AQ', 'AAAB'])('a token of an RSA key with the exponent 1 (%s) is never verified', async (e) => {
    const { verifier, skipped } = await withKey({ kty: 'RSA', n, e }, 'RS256');
    const signed = unsigned('RS256');
    const forged = `${signed}.${encodePart(encoded(signed, 256))}`;
    await expect((async () => verifier.verify(forged))()).rejects.toMatchObject({ code: 'TOKEN_KEY_UNKNOWN' });
    expect(skipped).toBe('its exponent is 1 or even');
  });

  it.each([
    ['0', 'AA'],
    ['nothing', ''],
    ['2', 'Ag'],
    ['65536', 'AQAA'],
  ])('an RSA key with the exponent %s is skipped', async (_, e) => {
    for (const alg of ['RS256', 'PS256']) {
      expect((await withKey({ kty: 'RSA', n, e }, alg)).skipped).toBe('its exponent is 1 or even');
    }
  });

  it.each([
    ['3', 'Aw'],
    ['65537', 'AQAB'],
    ['65537, with a zero in front', 'AAEAAQ'],
    ['more than 64 bits', ones(9)],
  ])('an RSA key with the exponent %s is taken', async (_, e) => {
    expect((await withKey({ kty: 'RSA', n, e }, 'RS256')).skipped).toBeUndefined();
  });

  it.each([
    ['512 bits', ones(64)],
    ['1024 bits', ones(128)],
    ['1024 bits and zeros up to 2048', encodePart(Buffer.alloc(256).fill(0xff, 128))],
    ['2047 bits', encodePart(Buffer.alloc(256, 0xff).fill(0x7f, 0, 1))],
  ])('an RSA key of %s is skipped', async (_, modulus) => {
    expect((await withKey({ kty: 'RSA', n: modulus, e: 'AQAB' }, 'RS256')).skipped).toBe('it has fewer than 2048 bits');
  });
});

describe('a key of a curve', () => {
  // The points of small order: by RFC 8032 the signature below is theirs for every eighth message and more.
  it.each([
    `01${'00'.repeat(31)}`,
    '00'.repeat(32),
    `ec${'ff'.repeat(30)}7f`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  ])('a token of an Ed25519 key of small order is never verified: %s', async (point) => {
    const { verifier } = await withKey({ kty: 'OKP', crv: 'Ed25519', x: encodePart(Buffer.from(point, 'hex')) }, null);
    const signature = encodePart(Buffer.from(`01${'00'.repeat(63)}`, 'hex'));
    const claims = (iat: number) => encodePart(JSON.stringify({ ...ASYMMETRIC_CLAIMS, iat }));
    const header = encodePart(JSON.stringify({ alg: 'EdDSA', kid: 'weak' }));
    for (let message = 0; message < 64; message += 1) {
      const forged = async () => verifier.verify(`${header}.${claims(message)}.${signature}`);
      await expect(forged()).rejects.toMatchObject({
        code: expect.stringMatching(/^TOKEN_(SIGNATURE_INVALID|KEY_UNKNOWN)$/),
      });
    }
  });

  it.each([
    ['off the curve', 32, 7],
    ['at zero', 32, 0],
    ['too short', 31, 7],
  ])('a key of a curve is skipped when its point is %s', async (_, bytes, value) => {
    const coordinate = encodePart(Buffer.alloc(bytes, value));
    const jwk = { kty: 'EC', crv: 'P-256', x: coordinate, y: coordinate };
    expect((await withKey(jwk, null)).skipped).toBe('it cannot be imported');
  });
});
