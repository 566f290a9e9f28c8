/** A policy, compiled: immutable, and swapped as a whole. Pure. */
import { ANY, covers, type Grants, NO_GRANTS, pairsOf } from './grants.ts';

/** The policy in force. */
export interface Policy {
  /** Every role of members with what it grants, parents included. */
  readonly organizationRoles: ReadonlyMap<string, Grants>;
  readonly platformRoles: ReadonlyMap<string, Grants>;
  /** Users to whom the whole platform is granted. */
  readonly adminUserIds: ReadonlySet<string>;
  /** The platform role of a user who has none stored. */
  readonly defaultPlatformRole: string;
  /** Every permission that is known by name. */
  readonly vocabulary: Grants;
  /** What each scope of an access token stands for, without wildcards. A scope that is not here stands for nothing. */
  readonly scopes: ReadonlyMap<string, Grants>;
}

/** What a member's role grants by the policy; nothing when the policy does not know it. */
export const organizationRoleGrants = (policy: Policy, role: string): Grants =>
  policy.organizationRoles.get(role) ?? NO_GRANTS;

/** What a platform role grants; nothing when the policy does not know it. */
export const platformRoleGrants = (policy: Policy, role: string): Grants => policy.platformRoles.get(role) ?? NO_GRANTS;

/** Whether any of these scopes stands for a permission. */
export const scopesCover = (policy: Policy, scopes: readonly string[], resource: string, action: string): boolean =>
  scopes.some((scope) => covers(policy.scopes.get(scope) ?? NO_GRANTS, resource, action));

/** Whether the vocabulary has a permission. */
export const isKnown = ({ vocabulary }: Policy, resource: string, action: string): boolean =>
  vocabulary.byResource.get(resource)?.has(action) ?? false;

/** The pairs of grants without a wildcard: what they add to a vocabulary. */
export const namedPairs = function* (grants: Grants): Generator<readonly [resource: string, action: string]> {
  for (const pair of pairsOf(grants)) if (pair[0] !== ANY && pair[1] !== ANY) yield pair;
};
