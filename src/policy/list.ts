/** Everything that facts grant, by the same rules as the decision. Pure. */

import { parsePermission } from '@assent/policy-format';
import { isBanned } from './ban.ts';
import { type Asker, type DecisionReason, platformRolesOf, withoutMembership } from './decide.ts';
import type { Facts, OrganizationFacts, UserFacts } from './facts.ts';
import { ANY, covers, type Grants, grantsOf, NO_GRANTS, pairsOf } from './grants.ts';
import { organizationRoleGrants, type Policy, platformRoleGrants } from './policy.ts';

const EVERYTHING: Grants = grantsOf([[ANY, ANY]]);

const platformGrants = (policy: Policy, user: UserFacts, userId: string | null): readonly Grants[] => [
  ...platformRolesOf(policy, user).map((role) => platformRoleGrants(policy, role)),
  ...(userId !== null && policy.adminUserIds.has(userId) ? [EVERYTHING] : []),
];

const staticGrants = (policy: Policy, organization: OrganizationFacts): readonly Grants[] =>
  // Without those that the policy does not know: each is held against the whole vocabulary.
  (organization.memberRoles ?? [])
    .map((role) => organizationRoleGrants(policy, role))
    .filter((grants) => grants !== NO_GRANTS);

/**
 * Pairs of dynamic roles, literal. One that nobody can ask for is left out: `*` means nothing here, and a name with a colon of
 * its own could be taken for another permission.
 */
const dynamicPairs = ({ memberRoles, dynamicRoles }: OrganizationFacts): readonly (readonly [string, string])[] => {
  const held = new Set(memberRoles);
  return dynamicRoles
    .filter(({ role }) => held.has(role))
    .flatMap(({ grants }) => grants.filter(([resource, action]) => parsePermission(`${resource}:${action}`) !== null));
};

/** Names of pairs and patterns, and every pair of the vocabulary that a pattern covers; sorted. */
const names = (
  policy: Policy,
  grants: readonly Grants[],
  literal: readonly (readonly [string, string])[],
): readonly string[] => {
  const listed = new Set<string>();
  const add = ([resource, action]: readonly [string, string]): void => {
    listed.add(`${resource}:${action}`);
  };
  for (const one of grants) for (const pair of pairsOf(one)) add(pair);
  for (const pair of literal) add(pair);
  for (const pair of pairsOf(policy.vocabulary)) if (grants.some((one) => covers(one, pair[0], pair[1]))) add(pair);
  return [...listed].toSorted();
};

/** Those of the permissions that the scopes of an access token stand for; all of them when the user asks. */
const narrowed = (policy: Policy, scopes: Asker['scopes'], permissions: readonly string[]): readonly string[] => {
  if (scopes === null) return permissions;
  const named = new Set<string>();
  for (const scope of scopes) {
    for (const [resource, action] of pairsOf(policy.scopes.get(scope) ?? NO_GRANTS)) named.add(`${resource}:${action}`);
  }
  return permissions.filter((name) => named.has(name));
};

/** Every permission that the asker has where the facts are of, with the reason as in ListPermissions. */
export const listPermissions = (
  policy: Policy,
  facts: Facts,
  { userId, scopes }: Asker,
  nowMs: number,
): { readonly roles: readonly string[]; readonly permissions: readonly string[]; readonly reason: DecisionReason } => {
  const { user, organization } = facts;
  if (user === null) return { roles: [], permissions: [], reason: 'USER_NOT_FOUND' };
  const roles = organization === null ? platformRolesOf(policy, user) : (organization.memberRoles ?? []);
  if (isBanned(user.ban, nowMs)) return { roles, permissions: [], reason: 'USER_BANNED' };
  const byPlatform = platformGrants(policy, user, userId);
  const without = organization === null ? null : withoutMembership(organization);
  const member = organization !== null && without === null ? organization : null;
  const grants = [...byPlatform, ...(member === null ? [] : staticGrants(policy, member))];
  const granted = names(policy, grants, member === null ? [] : dynamicPairs(member));
  const permissions = narrowed(policy, scopes, granted);
  if (narrowed(policy, scopes, names(policy, byPlatform, [])).length > 0) {
    return { roles, permissions, reason: 'PLATFORM_ROLE_GRANTS' };
  }
  if (permissions.length > 0) return { roles, permissions, reason: 'ROLE_GRANTS' };
  return {
    roles,
    permissions,
    reason: granted.length > 0 ? 'SCOPE_LACKS_PERMISSION' : (without ?? 'ROLE_LACKS_PERMISSION'),
  };
};

/** What the member's own roles grant, or the platform roles where there is no organization: for other readers of Redis. */
export const memberPermissions = (policy: Policy, facts: Facts, nowMs: number): readonly string[] => {
  const { user, organization } = facts;
  if (user === null || isBanned(user.ban, nowMs)) return [];
  if (organization === null) return names(policy, platformGrants(policy, user, null), []);
  if (withoutMembership(organization) !== null) return [];
  return names(policy, staticGrants(policy, organization), dynamicPairs(organization));
};
