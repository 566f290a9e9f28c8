/** From the text of a policy file to the policy that decisions are made by. Pure. */
import { type GrantList, type NamedGrants, readPolicy, vocabularyOf } from '@assent/policy-format';
import { type Grants, grantsOf, type Policy, pairsOf } from './grants.ts';

export { PolicyError } from '@assent/policy-format';

/**
 * Reads, validates and compiles a policy file.
 * @param file The name of the file, for the problems.
 * @throws {PolicyError} with every problem, by file, line and column.
 */
export function parsePolicy(text: string, file: string): Policy {
  const model = readPolicy(text, file);
  return {
    organizationRoles: compile(model.organizationRoles),
    platformRoles: compile(model.platformRoles),
    adminUserIds: new Set(model.adminUserIds),
    defaultPlatformRole: model.defaultPlatformRole,
    vocabulary: grantsOf(vocabularyOf(model)),
    scopes: compile(model.scopes),
  };
}

/** The size of a policy, for people. */
export function describePolicy(policy: Policy): string {
  return [
    `${policy.organizationRoles.size} organization roles`,
    `${policy.platformRoles.size} platform roles`,
    `${[...pairsOf(policy.vocabulary)].length} permissions`,
    ...(policy.scopes.size === 0 ? [] : [`${policy.scopes.size} scopes`]),
  ].join(', ');
}

/** Lists that roles share, by `extends`, are compiled once. */
function compile(named: NamedGrants): ReadonlyMap<string, Grants> {
  const compiled = new Map<GrantList, Grants>();
  const sets = new Map<readonly string[], ReadonlySet<string>>();
  const setOf = (actions: readonly string[]): ReadonlySet<string> => {
    const known = sets.get(actions) ?? new Set(actions);
    sets.set(actions, known);
    return known;
  };
  const grantsIn = (list: GrantList): Grants => {
    const known = compiled.get(list) ?? {
      byResource: new Map(list.map(([resource, actions]) => [resource, setOf(actions)])),
    };
    compiled.set(list, known);
    return known;
  };
  return new Map(named.map(([name, grants]) => [name, grantsIn(grants)]));
}
