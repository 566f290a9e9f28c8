/** A compiled policy and the grants of its roles. Maps and Sets only: a name such as `__proto__` is a name like any other. Pure. */
import { type Pair, WILDCARD } from '@assent/policy-format';

/** A policy, ready for decisions. It is immutable, and replaced as a whole. */
export interface Policy {
  /** The roles of members with everything that they grant, parents included. */
  readonly organizationRoles: ReadonlyMap<string, Grants>;
  readonly platformRoles: ReadonlyMap<string, Grants>;
  /** Users to whom the whole platform is granted. */
  readonly adminUserIds: ReadonlySet<string>;
  /** The platform role of a user for whom none is stored. */
  readonly defaultPlatformRole: string;
  /** Every permission that is known by name. */
  readonly vocabulary: Grants;
  /** The permissions that each scope of an access token stands for, without wildcards. Another scope stands for none. */
  readonly scopes: ReadonlyMap<string, Grants>;
}

/** Pairs of a resource and an action, where either may be a wildcard. */
export interface Grants {
  /** The actions of each resource. */
  readonly byResource: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The grants of a role that the policy does not know. */
export const NO_GRANTS: Grants = { byResource: new Map() };

/** Whether grants cover a permission, wildcards included. */
export function covers({ byResource }: Grants, resource: string, action: string): boolean {
  return has(byResource.get(resource), action) || has(byResource.get(WILDCARD), action);
}

function has(actions: ReadonlySet<string> | undefined, action: string): boolean {
  return actions !== undefined && (actions.has(action) || actions.has(WILDCARD));
}

/** The grants of a member's role; none when the policy does not know the role. */
export function organizationRoleGrants(policy: Policy, role: string): Grants {
  return policy.organizationRoles.get(role) ?? NO_GRANTS;
}

/** The grants of a platform role; none when the policy does not know the role. */
export function platformRoleGrants(policy: Policy, role: string): Grants {
  return policy.platformRoles.get(role) ?? NO_GRANTS;
}

/** The permissions that a scope stands for; none when the policy does not know the scope. */
export function scopeGrants(policy: Policy, scope: string): Grants {
  return policy.scopes.get(scope) ?? NO_GRANTS;
}

/** Whether the policy knows a permission by name. */
export function isKnown({ vocabulary }: Policy, resource: string, action: string): boolean {
  return vocabulary.byResource.get(resource)?.has(action) ?? false;
}

/** Builds grants from pairs. */
export function grantsOf(pairs: Iterable<Pair>): Grants {
  const byResource = new Map<string, Set<string>>();
  for (const [resource, action] of pairs) {
    const actions = byResource.get(resource) ?? new Set<string>();
    byResource.set(resource, actions.add(action));
  }
  return { byResource };
}

/** All pairs of grants. */
export function* pairsOf({ byResource }: Grants): Generator<Pair> {
  for (const [resource, actions] of byResource) for (const action of actions) yield [resource, action];
}
