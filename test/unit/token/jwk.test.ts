import { describe, expect, it } from 'vitest';
import { asymmetricAlgorithm, usableJwk } from '../../../src/token/jwk.ts';
import type { JsonObject } from '../../../src/token/jws.ts';

const okp: JsonObject = { kty: 'OKP', crv: 'Ed25519', x: 'X' };
const ec = (crv: string): JsonObject => ({ kty: 'EC', crv, x: 'X', y: 'Y' });
const rsa: JsonObject = { kty: 'RSA', n: 'N', e: 'AQAB' };

describe('usableJwk', () => {
  it.each<[string, JsonObject, string | null, string]>([
    ['the alg beside it', okp, 'EdDSA', 'EdDSA'],
    ['its own alg', { ...rsa, alg: 'RS256' }, null, 'RS256'],
    ['its own alg, PS256', { ...rsa, alg: 'PS256' }, null, 'PS256'],
    ['both, when they agree', { ...rsa, alg: 'PS256' }, 'PS256', 'PS256'],
    ['a null alg as none', { ...okp, alg: null }, null, 'EdDSA'],
    ['Ed25519 as its own alg', { ...okp, alg: 'Ed25519' }, null, 'EdDSA'],
    ['Ed25519 as the alg beside it', okp, 'Ed25519', 'EdDSA'],
    ['both names of EdDSA', { ...okp, alg: 'Ed25519' }, 'EdDSA', 'EdDSA'],
    ['Ed25519', okp, null, 'EdDSA'],
    ['P-256', ec('P-256'), null, 'ES256'],
    ['P-384', ec('P-384'), null, 'ES384'],
    ['P-521', ec('P-521'), null, 'ES512'],
    ['an alg and use sig', { ...okp, use: 'sig' }, null, 'EdDSA'],
    ['key_ops with verify', { ...okp, key_ops: ['sign', 'verify'] }, null, 'EdDSA'],
  ])('usableJwk takes the algorithm from %s', (_name, jwk, alg, algorithm) => {
    expect(usableJwk(jwk, alg)).toMatchObject({ kind: 'usable', algorithm });
  });

  it.each<[string, JsonObject, string | null]>([
    ['an RSA key without an alg', rsa, null],
    ['a symmetric key', { kty: 'oct', k: 'K' }, null],
    ['a symmetric key that says it is HS256', { kty: 'oct', k: 'K', alg: 'HS256' }, 'HS256'],
    ['a symmetric key that says it is EdDSA', { kty: 'oct', k: 'K', crv: 'Ed25519', x: 'X' }, 'EdDSA'],
    ['a public key for HS256', okp, 'HS256'],
    ['two algorithms', { ...rsa, alg: 'RS256' }, 'PS256'],
    ['an alg that is no string', { ...okp, alg: 1 }, null],
    ['an alg that is not accepted', rsa, 'RS512'],
    ['an alg that every object has', okp, 'constructor'],
    ['alg none', okp, 'none'],
    ['an alg of another key type', okp, 'ES256'],
    ['Ed25519 with another key type', ec('P-256'), 'Ed25519'],
    ['Ed25519 with another curve', { ...okp, crv: 'Ed448' }, 'Ed25519'],
    ['an alg that is not accepted, twice', { ...okp, alg: 'Ed448' }, 'Ed448'],
    ['an alg of another curve', ec('P-256'), 'ES384'],
    ['a curve that is not accepted', { ...okp, crv: 'Ed448' }, 'EdDSA'],
    ['a curve for key agreement', { ...okp, crv: 'X25519' }, null],
    ['secp256k1', ec('secp256k1'), null],
    ['use enc', { ...okp, use: 'enc' }, null],
    ['key_ops for encryption', { ...ec('P-256'), key_ops: ['deriveKey'] }, null],
    ['key_ops for nothing', { ...okp, key_ops: [] }, null],
    ['key_ops that are no list', { ...okp, key_ops: 'verify' }, null],
    ['a missing coordinate', { kty: 'EC', crv: 'P-256', x: 'X' }, null],
    ['a member that is no string', { ...okp, x: 1 }, null],
    ['no kty', { crv: 'Ed25519', x: 'X' }, 'EdDSA'],
    ['an EC key that names the curve of EdDSA', { ...okp, kty: 'EC' }, 'EdDSA'],
    ['nothing in it', {}, null],
  ])('usableJwk refuses %s', (_name, jwk, alg) => {
    expect(usableJwk(jwk, alg)).toMatchObject({ kind: 'refused' });
  });

  it('usableJwk gives the reason of a refusal', () => {
    expect(usableJwk({ kty: 'oct', k: 'K' }, null)).toMatchObject({ reason: 'it is symmetric' });
    expect(usableJwk(rsa, null)).toMatchObject({ reason: 'it is an RSA key without an alg' });
  });

  it('usableJwk keeps the public members and nothing else', () => {
    const everything = {
      ...rsa,
      alg: 'RS256',
      d: 'D',
      p: 'P',
      q: 'Q',
      dp: 'DP',
      dq: 'DQ',
      qi: 'QI',
      key_ops: ['sign'],
    };
    expect(usableJwk(everything, null)).toEqual({ kind: 'usable', algorithm: 'RS256', jwk: rsa });
    expect(usableJwk({ ...okp, d: 'D' }, null)).toEqual({ kind: 'usable', algorithm: 'EdDSA', jwk: okp });
  });

  it('usableJwk takes the curve beside the JWK only when the JWK has none', () => {
    expect(usableJwk({ kty: 'OKP', x: 'X' }, null, 'Ed25519')).toMatchObject({ algorithm: 'EdDSA', jwk: okp });
    expect(usableJwk(ec('P-384'), null, 'P-256')).toMatchObject({ algorithm: 'ES384' });
  });
});

describe('asymmetricAlgorithm', () => {
  it.each([
    'none',
    'HS256',
    'RS384',
    'RS512',
    'PS384',
    'ES256K',
    'Ed448',
    'eddsa',
    'ed25519',
    '',
    'toString',
    '__proto__',
  ])('asymmetricAlgorithm is null for %j', (alg) => {
    expect(asymmetricAlgorithm(alg)).toBeNull();
  });
});
