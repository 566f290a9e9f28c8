import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { AssentError } from '../../../src/errors.ts';
import type { TokenVerifier } from '../../../src/token/principal.ts';
import { createTokenVerifier } from '../../../src/token/verifier.ts';
import {
  ASYMMETRIC_CLAIMS,
  createStaticKeys,
  createTestKey,
  HS256_CLAIMS,
  ISSUER,
  NOW_MS,
  SECRET,
  signHmac,
  signWith,
} from '../../support/token/signing.ts';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.';

let verifier: TokenVerifier;
const tokens = { hs256: '', eddsa: '', es256: '' };
beforeAll(async () => {
  const [ed, es] = await Promise.all([createTestKey('EdDSA'), createTestKey('ES256')]);
  tokens.hs256 = signHmac(HS256_CLAIMS);
  tokens.eddsa = await signWith(ed, ASYMMETRIC_CLAIMS);
  tokens.es256 = await signWith(es, { ...ASYMMETRIC_CLAIMS, sub: 'user-2' });
  const keys = await createStaticKeys(ed.published, es.published);
  const issuers = [{ keys, issuer: ISSUER, audiences: [ISSUER] }];
  verifier = createTokenVerifier({ hs256: { secrets: [SECRET] }, issuers, now: () => NOW_MS });
});

/** True when it is refused as a token should be; false when it verifies; anything else is thrown. */
const isRefused = async (text: string): Promise<boolean> => {
  try {
    await verifier.verify(text);
    return false;
  } catch (error) {
    if (error instanceof AssentError && error.code.startsWith('TOKEN_')) return true;
    throw error;
  }
};

type Mutation = (token: string) => string;

const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const letter = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...ALPHABET) },
  fc.string({ minLength: 1, maxLength: 3 }),
);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, letter).map(
    ([at, by]): Mutation =>
      (token) => {
        const index = Math.floor(at * token.length);
        return token.slice(0, index) + by + token.slice(index + 1);
      },
  ),
  fc.tuple(place, letter).map(
    ([at, by]): Mutation =>
      (token) => {
        const index = Math.floor(at * (token.length + 1));
        return token.slice(0, index) + by + token.slice(index);
      },
  ),
  fc.tuple(place, place).map(
    ([from, to]): Mutation =>
      (token) => {
        return token.slice(0, Math.floor(from * token.length)) + token.slice(Math.ceil(to * token.length));
      },
  ),
  fc.tuple(place, place).map(
    ([a, b]): Mutation =>
      (token) => {
        const letters = [...token];
        const [i, j] = [Math.floor(a * letters.length), Math.floor(b * letters.length)];
        [letters[i], letters[j]] = [letters[j] ?? '', letters[i] ?? ''];
        return letters.join('');
      },
  ),
  fc.shuffledSubarray([0, 1, 2], { minLength: 3 }).map(
    (order): Mutation =>
      (token) => {
        const parts = token.split('.');
        return order.map((index) => parts[index]).join('.');
      },
  ),
);

describe.each(['hs256', 'eddsa', 'es256'] as const)('a token of %s', (name) => {
  it('a token is refused after any change', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const token = tokens[name];
        const changed = mutations.reduce((text, mutate) => mutate(text), token);
        // A change may undo another, or add the prefix that is allowed.
        fc.pre(changed !== token && !/^bearer +/i.test(changed));
        expect(await isRefused(token)).toBe(false);
        expect(await isRefused(changed)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('a token is refused in any combination of its parts with those of another token', async () => {
    const others = Object.values(tokens).filter((token) => token !== tokens[name]);
    for (const other of others) {
      const mine = tokens[name].split('.');
      const theirs = other.split('.');
      for (const mix of [1, 2, 3, 4, 5, 6]) {
        const mixed = mine.map((part, index) => ((mix >> index) & 1 ? theirs[index] : part)).join('.');
        expect(await isRefused(mixed)).toBe(true);
      }
    }
  });
});

it('any text that is not a token is refused with a token error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), fc.json()), async (text) => {
      expect(await isRefused(text)).toBe(true);
      expect(await isRefused(`${text}.${text}.${text}`)).toBe(true);
    }),
  );
});

it('every JSON header and payload is refused with a wrong signature', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json(), fc.json(), async (header, payload) => {
      expect(await isRefused(signHmac(payload, { header, secret: 'wrong' }))).toBe(true);
      // Signed, but hardly ever with the claims that are needed.
      expect(await isRefused(signHmac(payload))).toBe(true);
    }),
  );
});
