/** What other services read beside the facts in Redis. Pure. */
import { isBanned } from './ban.ts';
import type { Facts } from './facts.ts';
import { memberPermissions } from './list.ts';
import type { Policy } from './policy.ts';

/** The contract's `role` and `permissions`: both empty when the user is banned or not a member. */
export const sharedView =
  (policy: () => Policy) =>
  (facts: Facts, now: number): { readonly role: string; readonly permissions: readonly string[] } => {
    const roles = facts.organization === null ? facts.user?.roles : facts.organization.memberRoles;
    if (facts.user === null || isBanned(facts.user.ban, now)) return { role: '', permissions: [] };
    return { role: (roles ?? []).join(','), permissions: memberPermissions(policy(), facts, now) };
  };
