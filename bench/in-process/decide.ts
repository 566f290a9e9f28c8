/** Assent without its servers: facts from memory and the decision, as a handler does it. */
import { readFile } from 'node:fs/promises';
import { systemClock } from '../../src/clock.ts';
import { createFactsCache } from '../../src/facts/cache.ts';
import { createTtlFreshness } from '../../src/facts/freshness.ts';
import { createMemoryStore } from '../../src/facts/memory.ts';
import { decide } from '../../src/policy/decide.ts';
import type { Facts } from '../../src/policy/facts.ts';
import { parsePolicy } from '../../src/policy/file.ts';
import type { CreateSubject } from './subject.ts';

export const createSubject: CreateSubject = async ({ policyPath, userId, organizationId, role, others }) => {
  const policy = parsePolicy(await readFile(policyPath, 'utf8'), policyPath);
  const freshness = createTtlFreshness(systemClock);
  const roles = new Map(others.map((other) => [`${other.userId} ${other.organizationId}`, other.role]));
  const loader = {
    load: async (key: { readonly userId: string; readonly organizationId: string | null }) => {
      const held = roles.get(`${key.userId} ${key.organizationId}`) ?? role;
      const facts: Facts = {
        user: { roles: ['user'], ban: null },
        organization: { status: 'present', memberRoles: [held], dynamicRoles: [] },
      };
      return { facts, revision: freshness.revision(), readAt: systemClock.now(), tier: 'database' as const };
    },
  };
  const cache = createFactsCache({
    memory: createMemoryStore(100_000),
    freshness,
    clock: systemClock,
    ttlMs: 3_600_000,
    leaseMs: 2_000,
    cached: loader,
    database: loader,
  });
  const caller = { signal: new AbortController().signal, name: null };
  for (const other of others) await cache.read(other, false, caller);
  await cache.read({ userId, organizationId }, false, caller);
  return {
    run: () => {
      const reading = cache.read({ userId, organizationId }, false, caller);
      if (reading instanceof Promise) return false;
      return decide(
        policy,
        reading.facts,
        { userId, scopes: null, resource: 'data', action: 'read' },
        systemClock.now(),
      ).allowed;
    },
  };
};
