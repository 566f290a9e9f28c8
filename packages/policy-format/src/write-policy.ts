/** Writes a policy file. Pure. */
import { type GrantList, type NamedGrants, type PolicyModel, pairName, pairsOf } from './model.ts';

/**
 * Writes version 1, or version 2 where the policy has scopes.
 * @param comments Lines for the top of the file.
 */
export function writePolicy(policy: PolicyModel, comments: readonly string[]): string {
  const { scopes } = policy;
  return [
    // A line separator in a comment would end the comment.
    ...comments.map((line) => `# ${line.replaceAll(/[\p{Cc}\u2028\u2029]/gu, ' ')}`),
    `version: ${scopes.length === 0 ? 1 : 2}`,
    ...section('statements', grantLines(policy.statements, '  ')),
    ...section('organizationRoles', roleLines(policy.organizationRoles)),
    ...section('platformRoles', roleLines(policy.platformRoles)),
    `adminUserIds: ${list(policy.adminUserIds)}`,
    `defaultPlatformRole: ${scalar(policy.defaultPlatformRole)}`,
    ...(scopes.length === 0 ? [] : section('scopes', scopeLines(scopes))),
    '',
  ].join('\n');
}

function section(name: string, lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [`${name}: {}`] : [`${name}:`, ...lines];
}

function roleLines(roles: NamedGrants): readonly string[] {
  return roles.flatMap(([name, grants]) =>
    grants.length === 0
      ? [`  ${scalar(name)}: {}`]
      : [`  ${scalar(name)}:`, '    grants:', ...grantLines(grants, '      ')],
  );
}

function grantLines(grants: GrantList, indent: string): readonly string[] {
  return grants.map(([resource, actions]) => `${indent}${scalar(resource)}: ${list(actions)}`);
}

function scopeLines(scopes: NamedGrants): readonly string[] {
  return scopes.map(([scope, grants]) => `  ${scalar(scope)}: ${list(pairsOf(grants).map(pairName))}`);
}

function list(items: readonly string[]): string {
  return `[${items.map(scalar).join(', ')}]`;
}

/** A text that YAML reads as this text: plain, or in the quotes of JSON. */
function scalar(text: string): string {
  return PLAIN.test(text) && !RESERVED.test(text) ? text : JSON.stringify(text);
}

const PLAIN = /^[A-Za-z][A-Za-z0-9_-]*$/;
/** Truth values and null, in YAML 1.1 or 1.2. */
const RESERVED = /^(?:true|false|yes|no|on|off|y|n|null)$/i;
