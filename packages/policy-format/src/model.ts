/**
 * The contents of a policy file, with `extends` resolved. Entries and not objects, because `__proto__` may be a name; plain
 * data, because the exporter passes it between processes as JSON. Pure.
 */

/** The contents of a policy file. */
export interface PolicyModel {
  readonly statements: GrantList;
  readonly organizationRoles: NamedGrants;
  readonly platformRoles: NamedGrants;
  readonly adminUserIds: readonly string[];
  readonly defaultPlatformRole: string;
  /** The permissions that each scope of an access token stands for, without wildcards; only version 2 has them. */
  readonly scopes: NamedGrants;
}

/** Roles or scopes by their names, with all that each grants. */
export type NamedGrants = readonly (readonly [name: string, grants: GrantList])[];

/** Resources with their actions; either may be {@link WILDCARD} in a role. */
export type GrantList = readonly (readonly [resource: string, actions: readonly string[]])[];

export type Pair = readonly [resource: string, action: string];

/** Any resource, or any action. */
export const WILDCARD = '*';

/** The longest name of a role, a resource or an action, in UTF-16 units: half of the longest permission of a request. */
export const MAX_NAME_LENGTH = 120;

/** Joins a pair to one text, which is unique because no resource of a policy has a colon. */
export function pairName([resource, action]: Pair): string {
  return `${resource}:${action}`;
}

/** All pairs of a list, in its order. */
export function pairsOf(grants: GrantList): readonly Pair[] {
  return grants.flatMap(([resource, actions]) => actions.map((action): Pair => [resource, action]));
}

/** Groups pairs by resource, in the order of the first mention, each pair once. */
export function grantListOf(pairs: Iterable<Pair>): GrantList {
  const byResource = new Map<string, Set<string>>();
  for (const [resource, action] of pairs) {
    const actions = byResource.get(resource) ?? new Set();
    byResource.set(resource, actions.add(action));
  }
  return [...byResource].map(([resource, actions]) => [resource, [...actions]]);
}

/**
 * The permissions that a policy knows by name: its statements, and the pairs of its roles without a wildcard. A list of actions
 * that several roles share is read once.
 */
export function vocabularyOf({
  statements,
  organizationRoles,
  platformRoles,
}: Pick<PolicyModel, 'statements' | 'organizationRoles' | 'platformRoles'>): readonly Pair[] {
  const known: Pair[] = [...pairsOf(statements)];
  const seen = new Set<GrantList | readonly string[]>();
  for (const [, grants] of [...organizationRoles, ...platformRoles]) {
    if (seen.has(grants)) continue;
    seen.add(grants);
    for (const [resource, actions] of grants) {
      if (seen.has(actions)) continue;
      seen.add(actions);
      for (const action of actions) {
        if (resource !== WILDCARD && action !== WILDCARD) known.push([resource, action]);
      }
    }
  }
  return known;
}
