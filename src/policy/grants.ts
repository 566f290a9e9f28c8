/** What a role grants, resolved. Maps and Sets only: a name such as `__proto__` is a name like any other. Pure. */

export const ANY = '*';

/** `[resource, action]` pairs, exact or with `*` on either side. */
export interface Grants {
  /** Resource to actions; either may be `*`. */
  readonly byResource: ReadonlyMap<string, ReadonlySet<string>>;
}

export const NO_GRANTS: Grants = { byResource: new Map() };

/** Builds grants from pairs. */
export const grantsOf = (pairs: Iterable<readonly [resource: string, action: string]>): Grants => {
  const byResource = new Map<string, Set<string>>();
  for (const [resource, action] of pairs) {
    const actions = byResource.get(resource) ?? new Set<string>();
    actions.add(action);
    byResource.set(resource, actions);
  }
  return { byResource };
};

/** All pairs of grants. */
export const pairsOf = function* ({ byResource }: Grants): Generator<readonly [resource: string, action: string]> {
  for (const [resource, actions] of byResource) for (const action of actions) yield [resource, action];
};

const has = (actions: ReadonlySet<string> | undefined, action: string): boolean =>
  actions !== undefined && (actions.has(action) || actions.has(ANY));

/** Whether grants cover a permission, wildcards included. */
export const covers = ({ byResource }: Grants, resource: string, action: string): boolean =>
  has(byResource.get(resource), action) || has(byResource.get(ANY), action);
