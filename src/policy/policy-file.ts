/** From the text of a policy file to a policy, validated whole. Pure. */
import { ANY, covers, type Grants, grantsOf, pairsOf } from './grants.ts';
import { parsePermission } from './permission-name.ts';
import { namedPairs, type Policy } from './policy.ts';
import { type Problem, readYaml, type YamlNode, type YamlReader } from './yaml-reader.ts';

/** The file has problems; all of them are listed. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  readonly problems: readonly (Problem & { readonly file: string })[];

  constructor(file: string, problems: readonly Problem[]) {
    const sorted = problems.toSorted((one, other) => one.line - other.line || one.column - other.column);
    super(sorted.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'));
    this.problems = sorted.map((problem) => ({ file, ...problem }));
  }
}

/** Larger files are refused: a policy of a megabyte is a mistake. */
const MAX_LENGTH = 1_048_576;
/** Half of the longest permission that can be asked for. */
const MAX_NAME_LENGTH = 120;

type Pair = readonly [resource: string, action: string];

/** A role as written, before its parents are added. */
interface WrittenRole {
  readonly node: YamlNode;
  readonly parents: readonly { readonly name: string; readonly node: YamlNode }[];
  readonly pairs: readonly Pair[];
}

const wrongWith = (name: string, wildcard: boolean): string | null => {
  if (name === '') return 'must not be empty';
  if (name.length > MAX_NAME_LENGTH) return `must be at most ${MAX_NAME_LENGTH} characters long`;
  if (!name.isWellFormed()) return 'must be valid Unicode';
  if (name.trim() !== name || /\p{Cc}/u.test(name))
    return 'must not begin or end with a space or have control characters';
  if (name.includes(':')) return 'must not have a colon, which parts resource and action';
  return name === ANY && !wildcard ? 'must not be a wildcard' : null;
};

const checkName = (read: YamlReader, node: YamlNode, name: string, what: string, wildcard: boolean): boolean => {
  const wrong = wrongWith(name, wildcard);
  if (wrong !== null) read.problem(node, `${what} ${wrong}`);
  return wrong === null;
};

const readPairs = (read: YamlReader, node: YamlNode, what: string, wildcard: boolean): readonly Pair[] =>
  read.entries(node, what).flatMap(({ key: resource, keyNode, value }) => {
    const named = checkName(read, keyNode, resource, `a resource of ${what}`, wildcard);
    return read.items(value, `${what}.${resource}`).flatMap((item): readonly Pair[] => {
      const action = read.text(item, `an action of ${what}.${resource}`);
      if (action === null || !checkName(read, item, action, `an action of ${what}.${resource}`, wildcard)) return [];
      return named ? [[resource, action]] : [];
    });
  });

const unknownKey = (read: YamlReader, node: YamlNode, key: string, known: readonly string[]): void =>
  read.problem(node, `unknown key "${key}"; known are ${known.join(', ')}`);

const readRoles = (read: YamlReader, node: YamlNode, what: string): ReadonlyMap<string, WrittenRole> => {
  const roles = new Map<string, WrittenRole>();
  for (const { key: name, keyNode, value } of read.entries(node, what)) {
    if (checkName(read, keyNode, name, `a role of ${what}`, false) && name.includes(',')) {
      read.problem(keyNode, `a role of ${what} must not have a comma, which parts the roles of a member`);
    }
    const parents: { name: string; node: YamlNode }[] = [];
    const pairs: Pair[] = [];
    for (const entry of read.entries(value, `${what}.${name}`)) {
      if (entry.key === 'grants') pairs.push(...readPairs(read, entry.value, `${what}.${name}.grants`, true));
      else if (entry.key === 'extends') {
        for (const item of read.items(entry.value, `${what}.${name}.extends`)) {
          const parent = read.text(item, `an item of ${what}.${name}.extends`);
          if (parent !== null) parents.push({ name: parent, node: item });
        }
      } else unknownKey(read, entry.keyNode, entry.key, ['extends', 'grants']);
    }
    roles.set(name, { node: keyNode, parents, pairs });
  }
  return roles;
};

/** Adds to every role what its parents grant. */
const resolveRoles = (
  read: YamlReader,
  roles: ReadonlyMap<string, WrittenRole>,
  what: string,
): ReadonlyMap<string, Grants> => {
  const resolved = new Map<string, ReadonlyMap<string, Pair>>();
  const resolve = (name: string, role: WrittenRole, path: readonly string[]): ReadonlyMap<string, Pair> => {
    const known = resolved.get(name);
    if (known !== undefined) return known;
    const pairs = new Map(role.pairs.map((pair) => [pair.join(':'), pair]));
    for (const parent of role.parents) {
      const parentRole = roles.get(parent.name);
      if (parentRole === undefined) read.problem(parent.node, `"${parent.name}" is not a role of ${what}`);
      else if (parent.name === name || path.includes(parent.name)) {
        read.problem(parent.node, `a cycle: ${[...path, name, parent.name].join(' extends ')}`);
      } else for (const [id, pair] of resolve(parent.name, parentRole, [...path, name])) pairs.set(id, pair);
    }
    resolved.set(name, pairs);
    return pairs;
  };
  return new Map([...roles].map(([name, role]) => [name, grantsOf(resolve(name, role, []).values())]));
};

const KEYS = ['version', 'statements', 'organizationRoles', 'platformRoles', 'adminUserIds', 'defaultPlatformRole'];
/** Since version 2. */
const SCOPES = 'scopes';

/** RFC 6749 section 3.3: what a scope is made of. Another name could be in no token. */
const SCOPE = /^[\x21\x23-\x5B\x5D-\x7E]+$/;

/** What each scope stands for. Its permissions must be known: a misspelt one would be denied without a word. */
const readScopes = (read: YamlReader, node: YamlNode, vocabulary: Grants): ReadonlyMap<string, Grants> =>
  new Map(
    read.entries(node, SCOPES).map(({ key: scope, keyNode, value }) => {
      if (!SCOPE.test(scope)) {
        read.problem(keyNode, 'a scope must be printable ASCII without spaces, quotes and backslashes (RFC 6749)');
      }
      const pairs = read.items(value, `${SCOPES}.${scope}`).flatMap((item): readonly Pair[] => {
        const name = read.text(item, `a permission of ${SCOPES}.${scope}`);
        if (name === null) return [];
        const permission = parsePermission(name);
        if (permission === null) {
          read.problem(item, `a permission of ${SCOPES}.${scope} must be resource:action, without wildcards`);
          return [];
        }
        const { resource, action } = permission;
        if (!covers(vocabulary, resource, action)) {
          read.problem(
            item,
            `"${name}" of ${SCOPES}.${scope} is no known permission: statements or a role must name it`,
          );
        }
        return [[resource, action]];
      });
      return [scope, grantsOf(pairs)] as const;
    }),
  );

/**
 * Parses and validates a policy file.
 * @param file Its name, for the problems.
 * @throws {PolicyError} with every problem, by file, line and column.
 */
export const parsePolicy = (text: string, file: string): Policy => {
  if (text.length > MAX_LENGTH)
    throw new PolicyError(file, [{ line: 1, column: 1, message: `longer than ${MAX_LENGTH} characters` }]);
  const read = readYaml(text);
  if (read.problems.length > 0) throw new PolicyError(file, read.problems);

  const sections = new Map<string, { readonly keyNode: YamlNode; readonly value: YamlNode }>();
  for (const { key, keyNode, value } of read.entries(read.root, 'the policy')) {
    if (KEYS.includes(key) || key === SCOPES) sections.set(key, { keyNode, value });
    else unknownKey(read, keyNode, key, [...KEYS, SCOPES]);
  }
  const section = (name: string): YamlNode | undefined => sections.get(name)?.value;
  const versionNode = section('version');
  const version = versionNode === undefined ? undefined : read.value(versionNode);
  if (version !== 1 && version !== 2) read.problem(versionNode ?? read.root, 'version must be 1 or 2');
  const scopes = sections.get(SCOPES);
  if (version === 1 && scopes !== undefined) read.problem(scopes.keyNode, 'scopes are of version 2, and version is 1');

  const statementsNode = section('statements');
  const statements = statementsNode === undefined ? [] : readPairs(read, statementsNode, 'statements', false);
  const rolesOf = (name: string): ReadonlyMap<string, Grants> => {
    const node = section(name);
    return node === undefined ? new Map() : resolveRoles(read, readRoles(read, node, name), name);
  };
  const organizationRoles = rolesOf('organizationRoles');
  const platformRoles = rolesOf('platformRoles');

  const adminNode = section('adminUserIds');
  const adminUserIds =
    adminNode === undefined
      ? []
      : read.items(adminNode, 'adminUserIds').flatMap((item) => read.text(item, 'an item of adminUserIds') ?? []);
  const defaultNode = section('defaultPlatformRole');
  const defaultPlatformRole = defaultNode === undefined ? 'user' : read.text(defaultNode, 'defaultPlatformRole');

  const granted = [...organizationRoles.values(), ...platformRoles.values()].flatMap((grants) => [
    ...namedPairs(grants),
  ]);
  const vocabulary = grantsOf([...statements, ...granted]);
  const scopeGrants = scopes === undefined ? new Map() : readScopes(read, scopes.value, vocabulary);

  if (read.problems.length > 0 || defaultPlatformRole === null) throw new PolicyError(file, read.problems);
  return {
    organizationRoles,
    platformRoles,
    adminUserIds: new Set(adminUserIds),
    defaultPlatformRole,
    vocabulary,
    scopes: scopeGrants,
  };
};

/** How much a policy holds, for people. */
export const describePolicy = (policy: Policy): string =>
  [
    `${policy.organizationRoles.size} organization roles`,
    `${policy.platformRoles.size} platform roles`,
    `${[...pairsOf(policy.vocabulary)].length} permissions`,
    ...(policy.scopes.size === 0 ? [] : [`${policy.scopes.size} scopes`]),
  ].join(', ');
