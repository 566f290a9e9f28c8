import { describe, expect, it } from 'vitest';
import { createPageTokens } from '../../../src/rpc/page-token.ts';

const problem = 'page_token: must be the next_page_token of the same user, or empty for the first page.';
const encode = (text: string | Buffer): string => Buffer.from(text).toString('base64url');
const [OLD, NEW] = ['the key of all replicas until now', 'the key of all replicas from now'];

describe('a page token that is signed', () => {
  const tokens = createPageTokens([OLD]);
  const codeOf = (token: string): string => token.slice(token.indexOf('.'));

  it('a signed page token is read with the same key, for the user that it was issued for', () => {
    const token = tokens.issue('u', 'organization-ü');
    expect(createPageTokens([OLD]).read('u', token)).toBe('organization-ü');
    expect(tokens.read('u', '')).toBeNull();
  });

  it('a signed page token is read with any of the keys, and signed with the newest', () => {
    const rotating = createPageTokens([NEW, OLD]);
    expect(rotating.read('u', tokens.issue('u', 'o'))).toBe('o');
    expect(createPageTokens([NEW]).read('u', rotating.issue('u', 'o'))).toBe('o');
    expect(() => tokens.read('u', rotating.issue('u', 'o'))).toThrow(problem);
  });

  it.each([
    ['of another user', 'v', tokens.issue('u', 'o')],
    ['of another key', 'u', createPageTokens([NEW]).issue('u', 'o')],
    ['with another place', 'u', encode('1:up') + codeOf(tokens.issue('u', 'o'))],
    ['without a code', 'u', encode('1:uo')],
    ['of a user and a place that are the same joined up', 'ab', tokens.issue('a', 'bc')],
    ['cut off', 'u', tokens.issue('u', 'o').slice(0, 20)],
    ['without a place, though well signed', 'u', tokens.issue('u', '')],
    ['in another alphabet', 'u', tokens.issue('u', 'oo?>~').replace('_', '/')],
    ['with something after it', 'u', `${tokens.issue('u', 'o')}=`],
    ['that is none', 'u', 'none'],
  ])('a signed page token is refused when it is one %s', (_, userId, token) => {
    expect(() => tokens.read(userId, token)).toThrow(problem);
  });
});

describe('a page token without a key', () => {
  const tokens = createPageTokens([]);

  it('an unsigned page token is read by every replica, for the user that it was issued for', () => {
    const token = tokens.issue('u', 'organization-ü');
    expect(createPageTokens([]).read('u', token)).toBe('organization-ü');
    expect(tokens.read('u', '')).toBeNull();
  });

  it.each([
    ['of another user', 'v', tokens.issue('u', 'o')],
    ['of a user and a place that are the same joined up', 'ab', tokens.issue('a', 'bc')],
    ['without a place', 'u', encode('1:u')],
    ['whose place is longer than any id', 'u', encode(`1:u${'o'.repeat(513)}`)],
    ['that is not UTF-8', 'u', encode(Buffer.from([...Buffer.from('1:u'), 0xff]))],
    ['with bits that nothing reads', 'u', 'MTp1bz'],
    ['with something after it', 'u', `${tokens.issue('u', 'o')}=`],
    ['with a code', 'u', createPageTokens([OLD]).issue('u', 'o')],
    ['that is none', 'u', 'none'],
  ])('a signed page token is refused when it is one %s', (_, userId, token) => {
    expect(() => tokens.read(userId, token)).toThrow(problem);
  });
});
