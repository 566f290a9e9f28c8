/** Our HS256 and jose's say the same of every token that has the form of one. */
import { createSecretKey } from 'node:crypto';
import fc from 'fast-check';
import { CompactSign, compactVerify, errors } from 'jose';
import { expect, it } from 'vitest';
import { AssentError } from '../../../src/errors.ts';
import { parseJws } from '../../../src/token/jws.ts';
import { verifyHmac } from '../../../src/token/signature.ts';

const secret = fc.string({ minLength: 32, maxLength: 48, unit: 'binary' });
const payload = fc.uint8Array({ minLength: 1, maxLength: 200 });
const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);

const sign = (bytes: Uint8Array, by: string): Promise<string> =>
  new CompactSign(bytes).setProtectedHeader({ alg: 'HS256' }).sign(encoded(by));

const ours = (text: string, ...secrets: readonly string[]): Uint8Array | null => {
  const token = parseJws(text);
  try {
    return verifyHmac(
      token,
      secrets.map((each) => createSecretKey(each, 'utf8')),
    );
  } catch (error) {
    if (error instanceof AssentError && error.code === 'TOKEN_SIGNATURE_INVALID') return null;
    throw error;
  }
};
const joses = async (text: string, by: string): Promise<Uint8Array | null> => {
  try {
    return (await compactVerify(text, encoded(by), { algorithms: ['HS256'] })).payload;
  } catch (error) {
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
};

it('a token of jose verifies with its secret, in any position of the list, and with no other secret', async () => {
  await fc.assert(
    fc.asyncProperty(payload, secret, secret, async (bytes, mine, other) => {
      fc.pre(mine !== other);
      const text = await sign(bytes, mine);
      expect(Buffer.from(ours(text, mine) ?? [])).toEqual(Buffer.from(bytes));
      expect(Buffer.from(ours(text, other, mine) ?? [])).toEqual(Buffer.from(bytes));
      expect(ours(text, other)).toBeNull();
    }),
    { numRuns: 200 },
  );
});

it('a token with a changed payload or signature verifies exactly when jose accepts it', async () => {
  const text = await sign(encoded('{"userId":"user-1"}'), 'x'.repeat(32));
  const [header, body, signature] = text.split('.');
  await fc.assert(
    fc.asyncProperty(
      fc.option(payload),
      fc.oneof(fc.constant(null), fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat({ max: 31 })),
      async (otherBody, otherSignature) => {
        const bytes = Buffer.from(signature ?? '', 'base64url');
        if (typeof otherSignature === 'number') bytes[otherSignature] = (bytes[otherSignature] ?? 0) ^ 1;
        const changed = [
          header,
          otherBody === null ? body : Buffer.from(otherBody).toString('base64url'),
          (otherSignature instanceof Uint8Array ? Buffer.from(otherSignature) : bytes).toString('base64url'),
        ].join('.');
        expect(ours(changed, 'x'.repeat(32)) !== null).toBe((await joses(changed, 'x'.repeat(32))) !== null);
      },
    ),
    { numRuns: 300 },
  );
});
