import { describe, expect, it } from 'vitest';
import { MAX_TOKEN_BYTES, parseCompact } from '../../src/token/compact.ts';
import { encodePart, refusalOf } from './support.ts';

const withHeader = (header: string): string => `${encodePart(header)}.e30.AAAA`;

describe('parseCompact', () => {
  it('reads the header of a token', () => {
    const text = withHeader('{"alg":"EdDSA","kid":"k","typ":"JWT"}');
    expect(parseCompact(text)).toEqual({ text, alg: 'EdDSA', kid: 'k', typ: 'JWT', hasSignature: true });
  });

  it('says what a header leaves out', () => {
    expect(parseCompact(withHeader('{"alg":"HS256"}'))).toMatchObject({ kid: null, typ: null });
  });

  it('tells a token without a signature', () => {
    expect(parseCompact(`${encodePart('{"alg":"none"}')}.e30.`)).toMatchObject({ alg: 'none', hasSignature: false });
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
  ])('refuses what is %s', async (_name, text) => {
    expect(await refusalOf(() => parseCompact(text))).toBe('TOKEN_MALFORMED');
  });

  it('takes a token of the greatest length, and none that is longer and as good', async () => {
    const header = encodePart('{"alg":"EdDSA"}');
    const text = `${header}.${'A'.repeat(MAX_TOKEN_BYTES - header.length - 2 - 4)}.AAAA`;
    expect(text).toHaveLength(MAX_TOKEN_BYTES);
    expect(parseCompact(text).text).toBe(text);
    expect(await refusalOf(() => parseCompact(`${text}AAAA`))).toBe('TOKEN_MALFORMED');
    expect(MAX_TOKEN_BYTES).toBe(8_192);
  });
});
