/** Names of cache entries. Pure. */
import type { FactsKey } from '../policy/facts.ts';

const encode = (id: string): string =>
  id.replace(/[:%{}]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * The Redis key `perm:<userId>:<organizationId>`; the organization is empty for the platform. `:` and `%` are encoded so
 * that no two pairs share a key, `{` and `}` so that no id can choose a Redis Cluster slot.
 */
export const redisKey = ({ userId, organizationId }: FactsKey): string =>
  `perm:${encode(userId)}:${organizationId === null ? '' : encode(organizationId)}`;

const isAlphanumeric = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);

/**
 * The key within a process: unique as well, and cheaper to make than {@link redisKey}. Users with an id of the length of
 * Better Auth's own need no length in front of it, which is 8 bytes less in each entry; other keys begin unlike theirs.
 */
export const memoryKey = (userId: string, organizationId: string | null): string => {
  if (organizationId === null) return `-${userId}`;
  if (userId.length === 32 && isAlphanumeric(userId.charCodeAt(0))) return userId + organizationId;
  return `:${userId.length}:${userId}${organizationId}`;
};
