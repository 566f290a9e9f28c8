/** What a policy file says, roles resolved: entries rather than objects, since `__proto__` may be a name. Pure. */

/** Resources with their actions. */
export type Grants = readonly (readonly [resource: string, actions: readonly string[]])[];

export type Roles = readonly (readonly [name: string, grants: Grants])[];

export interface PolicyModel {
  readonly statements: Grants;
  readonly organizationRoles: Roles;
  readonly platformRoles: Roles;
  readonly adminUserIds: readonly string[];
  readonly defaultPlatformRole: string;
}

export type Pair = readonly [resource: string, action: string];

/** A pair as one text; no resource of a policy has a colon. */
export const pairName = ([resource, action]: Pair): string => `${resource}:${action}`;

export const pairsOf = (grants: Grants): readonly Pair[] =>
  grants.flatMap(([resource, actions]) => actions.map((action): Pair => [resource, action]));

/** Each resource once, in the order of the first mention; resources without an action are dropped. */
export const grantsOf = (pairs: Iterable<Pair>): Grants => {
  const byResource = new Map<string, Set<string>>();
  for (const [resource, action] of pairs) {
    const actions = byResource.get(resource) ?? new Set();
    byResource.set(resource, actions.add(action));
  }
  return [...byResource].map(([resource, actions]) => [resource, [...actions]]);
};
