/** From the text of a policy file to the policy that decisions are made by. Pure. */
import { type NamedGrants, pairsOf as pairsOfList, readPolicy, vocabularyOf } from '@assent/policy-format';
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

function compile(named: NamedGrants): ReadonlyMap<string, Grants> {
  return new Map(named.map(([name, grants]) => [name, grantsOf(pairsOfList(grants))]));
}
