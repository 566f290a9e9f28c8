/** Synchronous verification accepts exactly the signatures that jose accepts. */
import { constants, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import fc from 'fast-check';
import { compactVerify, errors, importJWK } from 'jose';
import { describe, expect, it } from 'vitest';
import { AssentError } from '../../../src/errors.ts';
import {
  type AsymmetricAlgorithm,
  asymmetricAlgorithms,
  importVerificationKey,
  type VerificationKey,
} from '../../../src/token/jwk.ts';
import { parseJws } from '../../../src/token/jws.ts';
import { verifySignature } from '../../../src/token/signature.ts';

interface Pair {
  readonly alg: AsymmetricAlgorithm;
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

const CURVES = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as const;
const pairOf = (alg: AsymmetricAlgorithm, modulusLength = 2048, publicExponent = 65_537): Pair => {
  const pair =
    alg === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : alg === 'RS256' || alg === 'PS256'
        ? generateKeyPairSync('rsa', { modulusLength, publicExponent })
        : generateKeyPairSync('ec', { namedCurve: CURVES[alg] });
  return { alg, privateKey: pair.privateKey, jwk: { ...pair.publicKey.export({ format: 'jwk' }) } };
};

const HASHES = { EdDSA: null, ES256: 'sha256', ES384: 'sha384', ES512: 'sha512', RS256: 'sha256', PS256: 'sha256' };

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
const optionsOf = (alg: AsymmetricAlgorithm): object =>
  alg === 'PS256' ? PSS : alg.startsWith('ES') ? { dsaEncoding: 'ieee-p1363' } : {};

const partOf = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url');
const signedText = (alg: string, payload: Uint8Array): string =>
  `${partOf(JSON.stringify({ alg, kid: 'key' }))}.${partOf(payload)}`;
const signature = ({ alg, privateKey }: Pair, signed: string, options: object = {}): Buffer =>
  sign(HASHES[alg], Buffer.from(signed), { key: privateKey, ...optionsOf(alg), ...options });

const imported = async ({ alg, jwk }: Pair): Promise<VerificationKey> => {
  const key = await importVerificationKey({ kid: 'key', jwk, alg, expiresAt: null }, 0);
  if (typeof key === 'string') throw new Error(key);
  return key;
};

const ours = async (text: string, key: VerificationKey): Promise<Buffer | null> => {
  try {
    return Buffer.from(await verifySignature(parseJws(text), key));
  } catch (error) {
    if (error instanceof AssentError && error.code === 'TOKEN_SIGNATURE_INVALID') return null;
    throw error;
  }
};
const joses = async (text: string, { alg, jwk }: Pair): Promise<Buffer | null> => {
  try {
    return Buffer.from((await compactVerify(text, await importJWK(jwk, alg), { algorithms: [alg] })).payload);
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
};

const SYNCHRONOUS: readonly AsymmetricAlgorithm[] = ['EdDSA', 'ES256', 'RS256', 'PS256'];
const payload = fc.uint8Array({ minLength: 1, maxLength: 200 });

describe.each(asymmetricAlgorithms)('signatures of %s', (alg) => {
  const pair = pairOf(alg);
  const other = pairOf(alg);
  const size = signature(pair, 'any').length;

  it('a signature is verified synchronously when its algorithm is fast', async () => {
    const { synchronous } = await imported(pair);
    expect(synchronous !== null).toBe(SYNCHRONOUS.includes(alg));
    if (synchronous !== null) expect(synchronous.signatureBytes).toBe(size);
  });

  it('the verifier agrees with jose about every change of the signature, the signed text and the key', async () => {
    const [key, otherKey] = [await imported(pair), await imported(other)];
    const change = fc.oneof(
      fc.nat({ max: size * 8 - 1 }).map((bit) => (bytes: Buffer) => {
        const changed = Buffer.from(bytes);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        return changed;
      }),
      fc.nat({ max: size - 1 }).map((length) => (bytes: Buffer) => bytes.subarray(0, Math.max(1, length))),
      payload.map((more) => (bytes: Buffer) => Buffer.concat([bytes, more])),
      payload.map((more) => (bytes: Buffer) => Buffer.concat([more, bytes])),
      fc.constantFrom(0, 1, 127, 255).map((byte) => () => Buffer.alloc(size, byte)),
      fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => () => Buffer.from(bytes)),
    );
    await fc.assert(
      fc.asyncProperty(payload, payload, change, async (bytes, otherBytes, changed) => {
        const signed = signedText(alg, bytes);
        const genuine = signature(pair, signed);
        const text = `${signed}.${partOf(genuine)}`;
        expect(await ours(text, key)).toEqual(Buffer.from(bytes));
        expect(await joses(text, pair)).toEqual(Buffer.from(bytes));
        expect(await ours(text, otherKey)).toBeNull();
        const wrong = `${signed}.${partOf(changed(genuine))}`;
        expect(await ours(wrong, key)).toBeNull();
        expect(await joses(wrong, pair)).toBeNull();
        const moved = `${signedText(alg, otherBytes)}.${partOf(genuine)}`;
        expect(await ours(moved, key)).toEqual(await joses(moved, pair));
      }),
      { numRuns: alg === 'ES512' || alg === 'ES384' ? 15 : 60 },
    );
  });
});

it('signatures made by another scheme of the same key are refused', async () => {
  const rsa = pairOf('RS256');
  const pss: Pair = { ...rsa, alg: 'PS256' };
  const ec = pairOf('ES256');
  const signed = (alg: string): string => signedText(alg, Buffer.from('{}'));
  const wrong: readonly (readonly [Pair, Buffer])[] = [
    [ec, signature(ec, signed('ES256'), { dsaEncoding: 'der' })],
    [ec, sign('sha384', Buffer.from(signed('ES256')), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })],
    [rsa, signature(pss, signed('RS256'))],
    [rsa, sign('sha512', Buffer.from(signed('RS256')), rsa.privateKey)],
    [rsa, sign('sha1', Buffer.from(signed('RS256')), rsa.privateKey)],
    [pss, signature(rsa, signed('PS256'))],
    ...[0, 20, 31, 33, 64, 222].map((saltLength) => [pss, signature(pss, signed('PS256'), { saltLength })] as const),
    [pss, sign('sha512', Buffer.from(signed('PS256')), { key: pss.privateKey, ...PSS })],
  ];
  for (const [pair, bytes] of wrong) {
    const text = `${signed(pair.alg)}.${partOf(bytes)}`;
    expect(await ours(text, await imported(pair))).toBeNull();
    expect(await joses(text, pair)).toBeNull();
  }
});

it('an RSA signature without its leading zero is refused', async () => {
  const pair = pairOf('RS256');
  const pss: Pair = { ...pair, alg: 'PS256' };
  for (const one of [pair, pss]) {
    const key = await imported(one);
    let text = '';
    let bytes: Buffer = Buffer.from([1]);
    for (let count = 0; bytes[0] !== 0; count += 1) {
      text = signedText(one.alg, Buffer.from(String(count)));
      bytes = signature(one, text);
    }
    expect(await ours(`${text}.${partOf(bytes)}`, key)).not.toBeNull();
    expect(await ours(`${text}.${partOf(bytes.subarray(1))}`, key)).toBeNull();
  }
});

it('a large RSA key and one with a large exponent are verified by jose, not synchronously', async () => {
  const modulus = (bits: number): string =>
    partOf(Buffer.concat([Buffer.from([0xff]), Buffer.alloc(bits / 8 - 1, 0xab)]));
  const synchronous = async (n: string, e: string) => {
    const jwk = { kty: 'RSA', n, e };
    return (await imported({ ...pairOf('EdDSA'), alg: 'RS256', jwk })).synchronous;
  };
  expect(await synchronous(modulus(4096), 'AQAB')).toMatchObject({ signatureBytes: 512 });
  expect(await synchronous(modulus(4104), 'AQAB')).toBeNull();
  expect(await synchronous(modulus(2048), partOf(Buffer.alloc(200, 0x7f)))).toBeNull();
});
