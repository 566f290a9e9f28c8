/** Lists every permission that facts grant, by the rules of the decision. Pure. */
import { type Pair, pairName, parsePermission, WILDCARD } from '@assent/policy-format';
import { type Asker, type DecisionReason, isBanned, platformRolesOf, withoutMembership } from './decide.ts';
import type { Facts, OrganizationFacts, UserFacts } from './facts.ts';
import {
  covers,
  type Grants,
  grantsOf,
  NO_GRANTS,
  organizationRoleGrants,
  type Policy,
  pairsOf,
  platformRoleGrants,
  scopeGrants,
} from './grants.ts';

/** Every permission of the asker where the facts are of, with the reason that ListPermissions answers. */
export function listPermissions(
  policy: Policy,
  facts: Facts,
  { userId, scopes }: Asker,
  nowMs: number,
): { readonly roles: readonly string[]; readonly permissions: readonly string[]; readonly reason: DecisionReason } {
  const { user, organization } = facts;
  if (user === null) return { roles: [], permissions: [], reason: 'USER_NOT_FOUND' };
  const roles = organization === null ? platformRolesOf(policy, user) : (organization.memberRoles ?? []);
  if (isBanned(user.ban, nowMs)) return { roles, permissions: [], reason: 'USER_BANNED' };
  const byPlatform = platformGrants(policy, user, userId);
  const without = organization === null ? null : withoutMembership(organization);
  const member = organization !== null && without === null ? organization : null;
  const grants = [...byPlatform, ...(member === null ? [] : staticGrants(policy, member))];
  const granted = namesOf(policy, grants, member === null ? [] : dynamicPairs(member));
  const permissions = narrow(policy, scopes, granted);
  if (narrow(policy, scopes, namesOf(policy, byPlatform, [])).length > 0) {
    return { roles, permissions, reason: 'PLATFORM_ROLE_GRANTS' };
  }
  if (permissions.length > 0) return { roles, permissions, reason: 'ROLE_GRANTS' };
  return {
    roles,
    permissions,
    reason: granted.length > 0 ? 'SCOPE_LACKS_PERMISSION' : (without ?? 'ROLE_LACKS_PERMISSION'),
  };
}

/**
 * Makes the `role` and `permissions` that other services read beside the facts in Redis. Both are empty for a banned user;
 * `role` is empty for a user who is no member.
 */
export function sharedView(
  policy: () => Policy,
): (facts: Facts, nowMs: number) => { readonly role: string; readonly permissions: readonly string[] } {
  return (facts, nowMs) => {
    if (facts.user === null || isBanned(facts.user.ban, nowMs)) return { role: '', permissions: [] };
    const roles = facts.organization === null ? facts.user.roles : facts.organization.memberRoles;
    return { role: (roles ?? []).join(','), permissions: memberPermissions(policy(), facts, nowMs) };
  };
}

/** The permissions by the member's own roles; by the platform roles where there is no organization. */
export function memberPermissions(policy: Policy, facts: Facts, nowMs: number): readonly string[] {
  const { user, organization } = facts;
  if (user === null || isBanned(user.ban, nowMs)) return [];
  if (organization === null) return namesOf(policy, platformGrants(policy, user, null), []);
  if (withoutMembership(organization) !== null) return [];
  return namesOf(policy, staticGrants(policy, organization), dynamicPairs(organization));
}

const EVERYTHING: Grants = grantsOf([[WILDCARD, WILDCARD]]);

function platformGrants(policy: Policy, user: UserFacts, userId: string | null): readonly Grants[] {
  return [
    ...platformRolesOf(policy, user).map((role) => platformRoleGrants(policy, role)),
    ...(userId !== null && policy.adminUserIds.has(userId) ? [EVERYTHING] : []),
  ];
}

/** The grants by roles of the policy, without unknown roles: each of these would be matched with the whole vocabulary. */
function staticGrants(policy: Policy, organization: OrganizationFacts): readonly Grants[] {
  return (organization.memberRoles ?? [])
    .map((role) => organizationRoleGrants(policy, role))
    .filter((grants) => grants !== NO_GRANTS);
}

/**
 * The pairs of dynamic roles, taken literally. A pair that no request can name is left out: `*` is no wildcard here, and a
 * name with a colon could be taken for another permission.
 */
function dynamicPairs({ memberRoles, dynamicRoles }: OrganizationFacts): readonly Pair[] {
  const held = new Set(memberRoles);
  return dynamicRoles
    .filter(({ role }) => held.has(role))
    .flatMap(({ grants }) => grants.filter((pair) => parsePermission(pairName(pair)) !== null));
}

/** The names of pairs and patterns, and every pair of the vocabulary that a pattern covers; sorted. */
function namesOf(policy: Policy, grants: readonly Grants[], literal: readonly Pair[]): readonly string[] {
  const names = new Set<string>();
  for (const one of grants) for (const pair of pairsOf(one)) names.add(pairName(pair));
  for (const pair of literal) names.add(pairName(pair));
  for (const pair of pairsOf(policy.vocabulary)) {
    if (grants.some((one) => covers(one, pair[0], pair[1]))) names.add(pairName(pair));
  }
  return [...names].toSorted();
}

/** The permissions among these that the scopes of an access token stand for; all of them when the user asks. */
function narrow(policy: Policy, scopes: Asker['scopes'], permissions: readonly string[]): readonly string[] {
  if (scopes === null) return permissions;
  const named = new Set<string>();
  for (const scope of scopes) for (const pair of pairsOf(scopeGrants(policy, scope))) named.add(pairName(pair));
  return permissions.filter((name) => named.has(name));
}
