/** The keys of cache entries, in Redis and in memory. Pure. */
import type { FactsKey } from '../policy/facts.ts';

/**
 * The Redis key `perm:<userId>:<organizationId>`; the organization is empty for the platform. `:` and `%` are encoded so
 * that no two pairs share a key, `{` and `}` so that no id can choose a Redis Cluster slot.
 */
export function redisKey({ userId, organizationId }: FactsKey): string {
  return `perm:${encode(userId)}:${organizationId === null ? '' : encode(organizationId)}`;
}

/**
 * The key within a process. It is unique too, and cheaper to make than {@link redisKey}. An id of the length that Better
 * Auth generates needs no length in front of it, which saves 8 bytes an entry; other keys begin with another character.
 */
export function memoryKey(userId: string, organizationId: string | null): string {
  if (organizationId === null) return `-${userId}`;
  if (userId.length === 32 && isAlphanumeric(userId.charCodeAt(0))) return userId + organizationId;
  return `:${userId.length}:${userId}${organizationId}`;
}

function encode(id: string): string {
  return id.replace(/[:%{}]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

function isAlphanumeric(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
}
