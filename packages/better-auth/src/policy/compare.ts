/** In what two policies differ. Pure. */
import { type Grants, type PolicyModel, pairName, pairsOf, type Roles } from './model.ts';

const shown = (name: string): string => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name));

const grantsOfRoles = (kind: string, roles: Roles): readonly string[] =>
  roles.flatMap(([name, grants]) =>
    pairsOf(grants).map(([resource, action]) => `${kind} ${shown(name)}: ${shown(resource)}:${shown(action)}`),
  );

const known = (policy: PolicyModel): readonly string[] => {
  const all: readonly Grants[] = [
    policy.statements,
    ...[...policy.organizationRoles, ...policy.platformRoles].map(([, grants]) => grants),
  ];
  return [
    ...new Set(
      all
        .flatMap(pairsOf)
        .filter((pair) => !pair.includes('*'))
        .map(pairName),
    ),
  ].map((name) => `permission ${name}`);
};

/** All that a policy says, a line each. A role that grants nothing says nothing. */
const sayings = (policy: PolicyModel): ReadonlySet<string> =>
  new Set([
    ...grantsOfRoles('organization role', policy.organizationRoles),
    ...grantsOfRoles('platform role', policy.platformRoles),
    ...policy.adminUserIds.map((id) => `admin user id ${shown(id)}`),
    `default platform role ${shown(policy.defaultPlatformRole)}`,
    ...known(policy),
  ]);

/** What only the file says with `-`, what only the instance of Better Auth says with `+`. */
export const comparePolicies = (file: PolicyModel, auth: PolicyModel): readonly string[] => {
  const [old, live] = [sayings(file), sayings(auth)];
  return [
    ...[...old].filter((line) => !live.has(line)).map((line) => `- ${line}`),
    ...[...live].filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ];
};
