/** Names of cache entries. Pure. */
import type { FactsKey } from '../permission/facts.ts';

const encode = (id: string): string =>
  id.replace(/[:%{}]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * The Redis key `perm:<userId>:<organizationId>`; the organization is empty for the platform. `:` and `%` are encoded so
 * that no two pairs share a key, `{` and `}` so that no id can choose a Redis Cluster slot.
 */
export const redisKey = ({ userId, organizationId }: FactsKey): string =>
  `perm:${encode(userId)}:${organizationId === null ? '' : encode(organizationId)}`;

/** The key within a process: unique as well, by the length in front, and cheaper to make than {@link redisKey}. */
export const memoryKey = (userId: string, organizationId: string | null): string =>
  organizationId === null ? `-${userId}` : `${userId.length}:${userId}${organizationId}`;
