/** The difference of two policies. Pure. */
import { type NamedGrants, type PolicyModel, pairName, pairsOf, vocabularyOf } from './model.ts';

/**
 * Compares by what is granted, not by how it is written. Scopes are left out: an instance of Better Auth does not say what
 * they stand for.
 * @returns Lines with `-` for what only the file says, and with `+` for what only the instance of Better Auth says.
 */
export function comparePolicies(file: PolicyModel, auth: PolicyModel): readonly string[] {
  const [inFile, inAuth] = [linesOf(file), linesOf(auth)];
  return [
    ...[...inFile].filter((line) => !inAuth.has(line)).map((line) => `- ${line}`),
    ...[...inAuth].filter((line) => !inFile.has(line)).map((line) => `+ ${line}`),
  ];
}

/** Everything that a policy says, one line each. A role without grants has no line. */
function linesOf(policy: PolicyModel): ReadonlySet<string> {
  return new Set([
    ...linesOfRoles('organization role', policy.organizationRoles),
    ...linesOfRoles('platform role', policy.platformRoles),
    ...policy.adminUserIds.map((id) => `admin user id ${quoted(id)}`),
    `default platform role ${quoted(policy.defaultPlatformRole)}`,
    ...vocabularyOf(policy).map((pair) => `permission ${pairName(pair)}`),
  ]);
}

function linesOfRoles(kind: string, roles: NamedGrants): readonly string[] {
  return roles.flatMap(([name, grants]) =>
    pairsOf(grants).map(([resource, action]) => `${kind} ${quoted(name)}: ${quoted(resource)}:${quoted(action)}`),
  );
}

/** A name as it is, or in quotes where it has other characters than letters, digits, `_` and `-`. */
function quoted(name: string): string {
  return /^[\w-]+$/.test(name) ? name : JSON.stringify(name);
}
