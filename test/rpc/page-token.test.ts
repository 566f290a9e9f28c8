import { expect, it } from 'vitest';
import { createPageTokens } from '../../src/rpc/page-token.ts';

const MAC_BYTES = 16;
const tokens = createPageTokens('the secret of all replicas');
const problem = 'page_token: must be the next_page_token of the same user, or empty for the first page.';
/** The signature of one token before the key of another. */
const spliced = (token: string, key: string): string =>
  Buffer.concat([Buffer.from(token, 'base64url').subarray(0, MAC_BYTES), Buffer.from(key)]).toString('base64url');

it('is read by whoever has the secret, for the user that it was issued for', () => {
  const token = tokens.issue('u', 'organization-ü');
  expect(createPageTokens('the secret of all replicas').read('u', token)).toBe('organization-ü');
  expect(tokens.read('u', '')).toBeNull();
});

it.each([
  ['of another user', 'v', tokens.issue('u', 'o')],
  ['of another secret', 'u', createPageTokens('a guess').issue('u', 'o')],
  ['with another key', 'u', spliced(tokens.issue('u', 'o'), 'p')],
  ['of a user and a key that are the same joined up', 'ab', spliced(tokens.issue('a', 'bc'), 'c')],
  ['cut off', 'u', tokens.issue('u', 'o').slice(0, 20)],
  ['without a key, though well signed', 'u', spliced(tokens.issue('u', ''), '')],
  ['in another alphabet', 'u', Buffer.from(tokens.issue('u', 'oo?>~'), 'base64url').toString('base64')],
  ['with something after it', 'u', `${tokens.issue('u', 'o')}=`],
  ['that is none', 'u', 'none'],
])('is refused: one %s', (_, userId, token) => {
  expect(() => tokens.read(userId, token)).toThrow(problem);
});
