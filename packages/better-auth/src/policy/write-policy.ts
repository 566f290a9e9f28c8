/** A policy as the text of a policy file. Pure. */
import type { Grants, PolicyModel, Roles } from './model.ts';

const PLAIN = /^[A-Za-z][A-Za-z0-9_-]*$/;
/** Truth values and nothing, in YAML 1.1 or 1.2. */
const RESERVED = /^(?:true|false|yes|no|on|off|y|n|null)$/i;

const scalar = (text: string): string => (PLAIN.test(text) && !RESERVED.test(text) ? text : JSON.stringify(text));
const list = (items: readonly string[]): string => `[${items.map(scalar).join(', ')}]`;

const grantLines = (grants: Grants, indent: string): string[] =>
  grants.map(([resource, actions]) => `${indent}${scalar(resource)}: ${list(actions)}`);

const section = (name: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [`${name}: {}`] : [`${name}:`, ...lines];

const roleLines = (roles: Roles): string[] =>
  roles.flatMap(([name, grants]) =>
    grants.length === 0
      ? [`  ${scalar(name)}: {}`]
      : [`  ${scalar(name)}:`, '    grants:', ...grantLines(grants, '      ')],
  );

/** @param comments Lines for the top of the file. */
export const writePolicy = (policy: PolicyModel, comments: readonly string[]): string =>
  [
    // A line separator in a comment would end it.
    ...comments.map((line) => `# ${line.replaceAll(/[\p{Cc}\u2028\u2029]/gu, ' ')}`),
    'version: 1',
    ...section('statements', grantLines(policy.statements, '  ')),
    ...section('organizationRoles', roleLines(policy.organizationRoles)),
    ...section('platformRoles', roleLines(policy.platformRoles)),
    `adminUserIds: ${list(policy.adminUserIds)}`,
    `defaultPlatformRole: ${scalar(policy.defaultPlatformRole)}`,
    '',
  ].join('\n');
