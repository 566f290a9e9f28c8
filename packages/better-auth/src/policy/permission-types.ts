/** Names of permissions as code, so that a misspelt one does not compile. Pure: no I/O. */
import { type PolicyModel, pairName, vocabularyOf, WILDCARD } from '@assent/policy-format';

/** Every permission that the policy knows by name, sorted, each once: its statements, and the grants without a wildcard. */
export function permissionNames(policy: PolicyModel): readonly string[] {
  return [...new Set(vocabularyOf(policy).map(pairName))].toSorted();
}

/**
 * Patterns of roles that cover no name of the policy, for example `data:*` without a statement for `data`: callers may ask for
 * permissions that no name is known of.
 */
export function namelessPatterns(policy: PolicyModel): readonly string[] {
  const known = vocabularyOf(policy);
  const patterns = [...policy.organizationRoles, ...policy.platformRoles].flatMap(([, grants]) =>
    grants.flatMap(([resource, actions]) =>
      actions
        .filter((action) => resource === WILDCARD || action === WILDCARD)
        .filter(
          (action) =>
            !known.some(([r, a]) => (resource === WILDCARD || r === resource) && (action === WILDCARD || a === action)),
        )
        .map((action) => pairName([resource, action])),
    ),
  );
  return [...new Set(patterns)].toSorted();
}

/**
 * A TypeScript module with the type `Permission`.
 * @param names At least one.
 * @param source The name of the policy file, for the comment.
 */
export function typescriptType(names: readonly string[], source: string): string {
  const lines = names.map((name) => `\n  | ${quoteForTypescript(name)}`).join('');
  return `// Generated from ${commentOf(source)} by assent-policy types: change that, and generate again.

/** A permission that ${commentOf(source)} knows. */
export type Permission =${lines};
`;
}

/**
 * A Go file with a constant for each name. The constants have no type, so that they are a `string` as well as a type that is
 * based on it.
 * @param names At least one.
 * @param source The name of the policy file, for the comment.
 */
export function goConstants(names: readonly string[], source: string, packageName: string): string {
  const constants = goNames(names);
  // As gofmt aligns: comments stand above, so that only the names before `=` have a width.
  const width = Math.max(...names.map((name) => length(constants.get(name) ?? '')));
  const lines = names.map((name) => {
    const constant = constants.get(name) ?? '';
    return `\t${constant}${' '.repeat(width - length(constant))} = ${quoteForGo(name)}\n`;
  });
  return `// Code generated from ${commentOf(source)} by assent-policy types. DO NOT EDIT.

// Package ${packageName} has a constant for each permission that ${commentOf(source)} knows.
package ${packageName}

const (
${lines.join('')})
`;
}

/**
 * The name of each permission's constant: `leave:approve` is LeaveApprove. Names that would be the same, or none, are
 * written out in full with the code points of other characters: `a-b:c` beside `a_b:c` is P_a_2d_b_3a_c. A constant never
 * comes to mean another permission: when a second permission takes its name, no constant has that name any more.
 */
export function goNames(names: readonly string[]): ReadonlyMap<string, string> {
  const uses = new Map<string, number>();
  for (const name of names) uses.set(camelCase(name), (uses.get(camelCase(name)) ?? 0) + 1);
  return new Map(
    names.map((name) => {
      const constant = camelCase(name);
      return [name, constant === '' || uses.get(constant) !== 1 ? writtenOut(name) : constant];
    }),
  );
}

/** Whether a Go package can have this name. */
export function isGoPackageName(name: string): boolean {
  return /^[a-z][a-z0-9_]*$/.test(name) && !GO_KEYWORDS.has(name);
}

const GO_KEYWORDS: ReadonlySet<string> = new Set(
  'break case chan const continue default defer else fallthrough for func go goto if import interface map package range return select struct switch type var'.split(
    ' ',
  ),
);

/** An exported name of Go; empty where no character of the permission can stand in one. */
function camelCase(name: string): string {
  const words = name.match(/[\p{L}\p{Nd}]+/gu) ?? [];
  const joined = words.map((word) => word.replace(/^./u, (first) => first.toUpperCase())).join('');
  if (joined === '') return '';
  // A digit cannot begin a name, and without an upper-case letter at its beginning a name is not exported.
  return /^\p{Lu}/u.test(joined) ? joined : `P${joined}`;
}

/** Two permissions never have the same: every underscore begins or ends the code point of a character. */
function writtenOut(name: string): string {
  return `P_${name.replaceAll(/[^\p{L}\p{Nd}]/gu, (character) => `_${hexOf(character)}_`)}`;
}

/** Formatting characters are escaped: invisible, or a change of direction, they hide what a name is. */
const HIDDEN = /[\p{Cf}\p{Zl}\p{Zp}]/gu;

function quoteForTypescript(name: string): string {
  const escaped = name.replaceAll(/['\\]/g, '\\$&').replaceAll(HIDDEN, (character) => `\\u{${hexOf(character)}}`);
  return `'${escaped}'`;
}

function quoteForGo(name: string): string {
  const escaped = name
    .replaceAll(/["\\]/g, '\\$&')
    .replaceAll(HIDDEN, (character) => `\\U${hexOf(character).padStart(8, '0')}`);
  return `"${escaped}"`;
}

function hexOf(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}

/** The name of a file as part of a comment of one line. */
function commentOf(source: string): string {
  return source.replaceAll(/\p{Cc}|[\p{Cf}\p{Zl}\p{Zp}]/gu, '?').replaceAll('*/', '*?');
}

/** In characters, as gofmt counts. */
function length(text: string): number {
  return [...text].length;
}
