import { describe, expect, it } from 'vitest';
import { AssentError } from '../../../src/errors.ts';
import { MAX_TOKEN_BYTES, parseJws } from '../../../src/token/jws.ts';
import { encodePart, refusalOf } from '../../support/token/signing.ts';

const withHeader = (header: string): string => `${encodePart(header)}.e30.AAAA`;

describe('parseJws', () => {
  it('parseJws reads the header of a token', () => {
    const text = withHeader('{"alg":"EdDSA","kid":"k","typ":"JWT"}');
    expect(parseJws(text)).toEqual({ text, alg: 'EdDSA', kid: 'k', typ: 'JWT', hasSignature: true });
  });

  it('parseJws names a header member that is missing', () => {
    expect(parseJws(withHeader('{"alg":"HS256"}'))).toMatchObject({ kid: null, typ: null });
  });

  it('parseJws recognises a token without a signature', () => {
    expect(parseJws(`${encodePart('{"alg":"none"}')}.e30.`)).toMatchObject({ alg: 'none', hasSignature: false });
  });

  const good = withHeader('{"alg":"EdDSA"}');
  it.each<[string, string]>([
    ['empty', ''],
    ['a word', 'token'],
    ['dots', '..'],
    ['two parts', 'e30.e30'],
    ['four parts', `${good}.AAAA`],
    ['five parts, as an encrypted token has', 'e30.e30.e30.e30.e30'],
    ['without a header', '.e30.AAAA'],
    ['without a payload', `${encodePart('{"alg":"EdDSA"}')}..AAAA`],
    ['with a space before', ` ${good}`],
    ['with a line end after', `${good}\n`],
    ['with padding', `${good}==`],
    ['in the other base64 alphabet', good.replace('AAAA', 'A+/A')],
    ['with a letter beyond ASCII', good.replace('AAAA', 'AAAé')],
    ['with a NUL', good.replace('AAAA', 'AA\0A')],
    ['with a lone character at the end of a part', good.replace('AAAA', 'AAAAA')],
    ['with bits that no byte has, 1 byte in the last group', good.replace('AAAA', 'AAAAAB')],
    ['with bits that no byte has, 2 bytes in the last group', good.replace('AAAA', 'AAAAAAB')],
    ['with bits that no byte has in the payload', good.replace('.e30.', '.e31.')],
    ['with a header that is no JSON', withHeader('header')],
    ['with a header that is an array', withHeader('["alg"]')],
    ['with a header that names its algorithm twice', withHeader('{"alg":"EdDSA","alg":"HS256"}')],
    ['without an algorithm', withHeader('{"kid":"k"}')],
    ['with an algorithm that is no string', withHeader('{"alg":["EdDSA"]}')],
    ['with a kid that is no string', withHeader('{"alg":"EdDSA","kid":1}')],
    ['with a typ that is no string', withHeader('{"alg":"EdDSA","typ":{}}')],
    ['with critical extensions', withHeader('{"alg":"EdDSA","crit":["exp"],"exp":1}')],
    ['with a null crit', withHeader('{"alg":"EdDSA","crit":null}')],
    ['with an unencoded payload', withHeader('{"alg":"EdDSA","crit":["b64"],"b64":false}')],
    ['with b64 and no crit', withHeader('{"alg":"EdDSA","b64":false}')],
    ['too long by one byte', `${'A'.repeat(MAX_TOKEN_BYTES - 8)}.e30.AAAA`],
    ['of 1 MiB', 'A'.repeat(1_048_576)],
  ])('parseJws refuses a malformed token: %s', async (_name, text) => {
    expect(await refusalOf(() => parseJws(text))).toBe('TOKEN_MALFORMED');
  });

  it('parseJws accepts a token of the greatest length, and refuses a longer one', async () => {
    const header = encodePart('{"alg":"EdDSA"}');
    const text = `${header}.${'A'.repeat(MAX_TOKEN_BYTES - header.length - 2 - 4)}.AAAA`;
    expect(text).toHaveLength(MAX_TOKEN_BYTES);
    expect(parseJws(text).text).toBe(text);
    expect(await refusalOf(() => parseJws(`${text}AAAA`))).toBe('TOKEN_MALFORMED');
    expect(MAX_TOKEN_BYTES).toBe(8_192);
  });

  const session = 'kTq3Zr8vXbN1mLwPy6HsDfGc2JaEu4Ri';
  const mac = 'abcdefghijklmnopqrstuvwxyz/BCDEFGHIJKLMNO+0=';
  const key = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijkl';
  it.each<[string, string, string]>([
    ['a session token', session, 'a session token'],
    ['a token of letters alone', session.replaceAll(/\d/g, 'x'), 'a session token or an opaque access token'],
    ['a session token with its signature, as a cookie has it', `${session}.${mac}`, 'a session cookie'],
    ['the same, encoded for a URL', encodeURIComponent(`${session}.${mac}`), 'a session cookie'],
    ['a cookie with its name', `better-auth.session_token=${session}.${mac}`, 'a session cookie'],
    [
      'a secure cookie with its name',
      `__Secure-better-auth.session_token=${session}.${mac}; Path=/`,
      'a session cookie',
    ],
    ['the cache cookie of a session', 'eyJzZXNzaW9uIjp7InRva2VuIjoieCJ9fQ', 'a session cookie'],
    ['an API key', key, 'an API key'],
    ['an API key with a prefix', `acme_live-${key}`, 'an API key'],
    ['an encrypted token', 'e30.e30.e30.e30.e30', 'an encrypted token (JWE)'],
    ['an encrypted token by a shared key', 'e30..e30.e30.e30', 'an encrypted token (JWE)'],
    ['a header', 'Basic YTpi', 'an authorization header'],
    ['an object', '{"token":"x"}', 'JSON'],
    ['a quoted token', `"${good}"`, 'JSON'],
  ])('parseJws names the form of the text in its message: %s', (_name, text, look) => {
    const message = messageOf(text);
    expect(message).toBe(
      `The token is not a signed JWT: it looks like ${look}. Better Auth's jwt plugin gives a JWT at /api/auth/token, for a session.`,
    );
    for (const secret of [session, mac, key]) expect(message).not.toContain(secret);
  });

  it.each(['', 'token', '..', 'e30.e30', `${session}x`, key.slice(0, 31), '%', `${session}.%zz`])(
    'parseJws names only the form of a JWT for an unknown text: %j',
    (text) => {
      expect(messageOf(text)).toBe(
        "The token is not a signed JWT: three parts of base64url with dots between them. Better Auth's jwt plugin gives a JWT at /api/auth/token, for a session.",
      );
    },
  );
});

const messageOf = (text: string): string => {
  try {
    parseJws(text);
  } catch (error) {
    if (error instanceof AssentError) return error.message;
    throw error;
  }
  return 'taken';
};
