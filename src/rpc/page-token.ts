/**
 * Page tokens: the user and the place in their list after which the next page begins. With a key the token is signed, and
 * one that was not issued here is refused. Without one every replica takes it: a caller who changes the place gets nothing
 * beyond what it may list anyway.
 */
import { invalidArgument } from '../errors.ts';
import { createMac } from '../mac.ts';
import { isId } from './request.ts';

export interface PageTokens {
  /** The token of the page after the row `place` of this user's list. */
  issue(userId: string, place: string): string;
  /**
   * The place in a token; null for an empty one.
   * @throws {AssentError} INVALID_ARGUMENT when it is not a token of this user, or was not signed by any of the keys.
   */
  read(userId: string, token: string): string | null;
}

/** @param keys The same in all replicas, newest first; empty where there is none, and tokens are not signed. */
export function createPageTokens(keys: readonly string[]): PageTokens {
  const mac = keys.length === 0 ? null : createMac(keys, 'assent page token v2');
  return {
    issue: (userId, place) => {
      const text = Buffer.from(beginningOf(userId) + place).toString('base64url');
      return mac === null ? text : `${text}.${mac.sign(text)}`;
    },
    read: (userId, token) => {
      if (token === '') return null;
      const { text, code } = TOKEN.exec(token)?.groups ?? {};
      const genuine = mac === null ? code === undefined : mac.verify(text ?? '', code ?? '');
      const place = genuine ? placeIn(userId, text ?? '') : null;
      if (place === null) {
        throw invalidArgument(
          'page_token',
          'must be the next_page_token of the same user, or empty for the first page.',
        );
      }
      return place;
    },
  };
}

const TOKEN = /^(?<text>[\w-]+)(?:\.(?<code>[\w-]+))?$/;

/** The length keeps a user and a place apart from others that would be the same joined up. */
function beginningOf(userId: string): string {
  return `${userId.length}:${userId}`;
}

/** Null where the text is in another form, or another user's. */
function placeIn(userId: string, text: string): string | null {
  const bytes = Buffer.from(text, 'base64url');
  const decoded = bytes.toString();
  const canonical = Buffer.from(decoded).toString('base64url') === text;
  const beginning = beginningOf(userId);
  if (!canonical || !decoded.startsWith(beginning)) return null;
  const place = decoded.slice(beginning.length);
  return isId(place) ? place : null;
}
