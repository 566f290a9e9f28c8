/** Reads and validates a policy file. Pure. */
import {
  type GrantList,
  grantListOf,
  MAX_NAME_LENGTH,
  type NamedGrants,
  type Pair,
  type PolicyModel,
  pairName,
  vocabularyOf,
  WILDCARD,
} from './model.ts';
import { parsePermission } from './permission-name.ts';
import { resolveRoles, type WrittenRole } from './resolve-roles.ts';
import { type Problem, readYaml, type YamlNode, type YamlReader } from './yaml-reader.ts';

/**
 * Reads a policy file.
 * @param file The name of the file, for the problems.
 * @throws {PolicyError} with every problem.
 */
export function readPolicy(text: string, file: string): PolicyModel {
  if (text.length > MAX_LENGTH) {
    throw new PolicyError(file, [{ line: 1, column: 1, message: `longer than ${MAX_LENGTH} characters` }]);
  }
  const read = readYaml(text);
  if (read.problems.length > 0) throw new PolicyError(file, read.problems);
  const policy = readSections(read);
  if (read.problems.length > 0) throw new PolicyError(file, read.problems);
  return policy;
}

/** A problem of a policy file; lines and columns count from 1. */
export interface PolicyProblem extends Problem {
  readonly file: string;
}

/** The file is no valid policy. The message has one line per problem: `file:line:column: problem`. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  /** By their positions in the file. */
  readonly problems: readonly PolicyProblem[];

  constructor(file: string, problems: readonly Problem[]) {
    const sorted = problems.toSorted((one, other) => one.line - other.line || one.column - other.column);
    // A wrong name of a parent may stand in each of ten thousand roles.
    const shown = sorted.slice(0, MAX_PROBLEMS);
    const rest = sorted.slice(MAX_PROBLEMS);
    const [next] = rest;
    if (next !== undefined) {
      shown.push(
        rest.length === 1 ? next : { ...next, message: `${next.message}; and ${rest.length - 1} more problems` },
      );
    }
    super(shown.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'));
    this.problems = shown.map((problem) => ({ file, ...problem }));
  }
}

/** The problems that an error names, before the one that says how many more there are. */
const MAX_PROBLEMS = 100;

/** In UTF-16 units: a policy of a megabyte is a mistake. */
const MAX_LENGTH = 1_048_576;

const KEYS = ['version', 'statements', 'organizationRoles', 'platformRoles', 'adminUserIds', 'defaultPlatformRole'];
/** The key that version 2 adds. */
const SCOPES = 'scopes';

function readSections(read: YamlReader): PolicyModel {
  const sections = new Map<string, { readonly keyNode: YamlNode; readonly value: YamlNode }>();
  for (const { key, keyNode, value } of read.entries(read.root, 'the policy')) {
    if (KEYS.includes(key) || key === SCOPES) sections.set(key, { keyNode, value });
    else unknownKey(read, keyNode, key, [...KEYS, SCOPES]);
  }
  const section = <T>(name: string, absent: T, reader: (node: YamlNode, what: string) => T): T => {
    const found = sections.get(name);
    return found === undefined ? absent : reader(found.value, name);
  };

  const version = section<unknown>('version', undefined, (node) => read.value(node));
  if (version !== 1 && version !== 2) {
    read.problem(sections.get('version')?.value ?? read.root, 'version must be 1 or 2');
  }
  const scopes = sections.get(SCOPES);
  if (version === 1 && scopes !== undefined) read.problem(scopes.keyNode, 'scopes are of version 2, and version is 1');

  const roles = (node: YamlNode, what: string): NamedGrants => resolveRoles(read, readRoles(read, node, what), what);
  const policy = {
    statements: section<GrantList>('statements', [], (node, what) => grantListOf(readPairs(read, node, what, false))),
    organizationRoles: section<NamedGrants>('organizationRoles', [], roles),
    platformRoles: section<NamedGrants>('platformRoles', [], roles),
    adminUserIds: section<readonly string[]>('adminUserIds', [], (node, what) =>
      read.items(node, what).flatMap((item) => read.text(item, `an item of ${what}`) ?? []),
    ),
    // The text after a problem is never used.
    defaultPlatformRole: section('defaultPlatformRole', 'user', (node, what) => read.text(node, what) ?? ''),
  };
  const known = new Set(vocabularyOf(policy).map(pairName));
  return { ...policy, scopes: section<NamedGrants>(SCOPES, [], (node) => readScopes(read, node, known)) };
}

function unknownKey(read: YamlReader, node: YamlNode, key: string, known: readonly string[]): void {
  read.problem(node, `unknown key "${key}"; known are ${known.join(', ')}`);
}

function readRoles(read: YamlReader, node: YamlNode, what: string): ReadonlyMap<string, WrittenRole> {
  const roles = new Map<string, WrittenRole>();
  for (const { key: name, keyNode, value } of read.entries(node, what)) {
    if (checkName(read, keyNode, name, `a role of ${what}`, false) && name.includes(',')) {
      read.problem(keyNode, `a role of ${what} must not have a comma, which parts the roles of a member`);
    }
    const parents: { name: string; node: YamlNode }[] = [];
    let pairs: readonly Pair[] = [];
    for (const entry of read.entries(value, `${what}.${name}`)) {
      if (entry.key === 'grants') pairs = readPairs(read, entry.value, `${what}.${name}.grants`, true);
      else if (entry.key === 'extends') {
        for (const item of read.items(entry.value, `${what}.${name}.extends`)) {
          const parent = read.text(item, `an item of ${what}.${name}.extends`);
          if (parent !== null) parents.push({ name: parent, node: item });
        }
      } else unknownKey(read, entry.keyNode, entry.key, ['extends', 'grants']);
    }
    roles.set(name, { parents, pairs });
  }
  return roles;
}

function readPairs(read: YamlReader, node: YamlNode, what: string, wildcard: boolean): readonly Pair[] {
  return read.entries(node, what).flatMap(({ key: resource, keyNode, value }) => {
    const named = checkName(read, keyNode, resource, `a resource of ${what}`, wildcard);
    return read.items(value, `${what}.${resource}`).flatMap((item): readonly Pair[] => {
      const action = read.text(item, `an action of ${what}.${resource}`);
      if (action === null || !checkName(read, item, action, `an action of ${what}.${resource}`, wildcard)) return [];
      return named ? [[resource, action]] : [];
    });
  });
}

/** RFC 6749 section 3.3: the characters of a scope. No token can have another name. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** @param known The permissions that the policy knows: a misspelt one would be denied without a word. */
function readScopes(read: YamlReader, node: YamlNode, known: ReadonlySet<string>): NamedGrants {
  return read.entries(node, SCOPES).map(({ key: scope, keyNode, value }) => {
    if (!SCOPE.test(scope)) {
      read.problem(keyNode, 'a scope must be printable ASCII without spaces, quotes and backslashes (RFC 6749)');
    }
    const what = `${SCOPES}.${scope}`;
    const pairs = read.items(value, what).flatMap((item): readonly Pair[] => {
      const name = read.text(item, `a permission of ${what}`);
      if (name === null) return [];
      const permission = parsePermission(name);
      if (permission === null) {
        read.problem(item, `a permission of ${what} must be resource:action, without wildcards`);
        return [];
      }
      if (!known.has(name)) {
        read.problem(item, `"${name}" of ${what} is no known permission: statements or a role must name it`);
      }
      return [[permission.resource, permission.action]];
    });
    return [scope, grantListOf(pairs)];
  });
}

function checkName(read: YamlReader, node: YamlNode, name: string, what: string, wildcard: boolean): boolean {
  const fault = faultOf(name, wildcard);
  if (fault !== null) read.problem(node, `${what} ${fault}`);
  return fault === null;
}

/** Why a role, a resource or an action cannot have this name; null when it can. */
function faultOf(name: string, wildcard: boolean): string | null {
  if (name === '') return 'must not be empty';
  if (name.length > MAX_NAME_LENGTH) return `must be at most ${MAX_NAME_LENGTH} characters long`;
  if (!name.isWellFormed()) return 'must be valid Unicode';
  if (name.trim() !== name || /\p{Cc}/u.test(name)) {
    return 'must not begin or end with a space or have control characters';
  }
  if (name.includes(':')) return 'must not have a colon, which parts resource and action';
  return name === WILDCARD && !wildcard ? 'must not be a wildcard' : null;
}
