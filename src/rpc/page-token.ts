/** Page tokens: the key of the last row, signed for one user, so that a forged or foreign one is refused. */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { invalidArgument } from '../errors.ts';

export interface PageTokens {
  /** The token of the page after the row `key` of this user's list. */
  issue(userId: string, key: string): string;
  /**
   * The key in a token; null for an empty one.
   * @throws {AssentError} INVALID_ARGUMENT when it was not issued here for this user.
   */
  read(userId: string, token: string): string | null;
}

const MAC_BYTES = 16;

/** @param secret The same in all replicas; page tokens are signed with a key derived from it. */
export const createPageTokens = (secret: string): PageTokens => {
  const macKey = Buffer.from(hkdfSync('sha256', secret, '', 'assent page token v1', 32));
  const mac = (userId: string, key: string): Buffer =>
    // The length keeps (user, key) pairs apart that would be the same joined up.
    createHmac('sha256', macKey).update(`${userId.length}:${userId}${key}`).digest().subarray(0, MAC_BYTES);
  return {
    issue: (userId, key) => Buffer.concat([mac(userId, key), Buffer.from(key)]).toString('base64url'),
    read: (userId, token) => {
      if (token === '') return null;
      const bytes = Buffer.from(token, 'base64url');
      const key = bytes.subarray(MAC_BYTES).toString();
      const genuine =
        bytes.length > MAC_BYTES &&
        bytes.toString('base64url') === token &&
        timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(userId, key));
      if (!genuine) {
        throw invalidArgument(
          'page_token',
          'must be the next_page_token of the same user, or empty for the first page.',
        );
      }
      return key;
    },
  };
};
