/** From the text of a policy file to what it says, `extends` resolved. Assent itself validates more. Pure. */
import { type Grants, grantsOf, type Pair, type PolicyModel, pairsOf, type Roles } from './model.ts';
import { readYaml } from './read-yaml.ts';
import { type Value, YamlError } from './yaml-value.ts';

/** The file cannot be read as a policy. */
export class PolicyFileError extends Error {
  override readonly name = 'PolicyFileError';
}

const fail = (value: { readonly line: number }, message: string): never => {
  throw new YamlError(value.line, message);
};
const entriesOf = (value: Value, what: string) =>
  value.kind === 'map' ? value.entries : fail(value, `${what} must be a mapping`);
const itemsOf = (value: Value, what: string): readonly Value[] =>
  value.kind === 'list' ? value.items : fail(value, `${what} must be a list`);
const textOf = (value: Value, what: string): string =>
  value.kind === 'text' ? value.text : fail(value, `${what} must be text; put it in quotes`);

const readGrants = (value: Value, what: string): Grants =>
  entriesOf(value, what).map(({ key, value: actions }) => [
    key,
    itemsOf(actions, `${what}.${key}`).map((action) => textOf(action, `an action of ${what}.${key}`)),
  ]);

interface WrittenRole {
  readonly grants: Grants;
  readonly parents: readonly { readonly name: string; readonly line: number }[];
}

const readRole = (value: Value, what: string): WrittenRole => {
  let grants: Grants = [];
  let parents: WrittenRole['parents'] = [];
  for (const { key, line, value: part } of entriesOf(value, what)) {
    if (key === 'grants') grants = readGrants(part, `${what}.grants`);
    else if (key === 'extends') {
      const items = itemsOf(part, `${what}.extends`);
      parents = items.map((item) => ({ name: textOf(item, `an item of ${what}.extends`), line: item.line }));
    } else fail({ line }, `unknown key "${key}" of ${what}`);
  }
  return { grants, parents };
};

const readRoles = (value: Value, what: string): Roles => {
  const written = new Map(
    entriesOf(value, what).map(({ key, value: role }) => [key, readRole(role, `${what}.${key}`)]),
  );
  const resolve = (name: string, role: WrittenRole, path: readonly string[]): readonly Pair[] => [
    ...role.parents.flatMap((parent) => {
      const found = written.get(parent.name) ?? fail(parent, `"${parent.name}" is not a role of ${what}`);
      if (parent.name === name || path.includes(parent.name)) fail(parent, `"${parent.name}" extends itself`);
      return resolve(parent.name, found, [...path, name]);
    }),
    ...pairsOf(role.grants),
  ];
  return [...written].map(([name, role]) => [name, grantsOf(resolve(name, role, []))]);
};

const read = (source: string): PolicyModel => {
  const root = readYaml(source);
  const sections = new Map(entriesOf(root, 'the policy').map((entry) => [entry.key, entry]));
  const take = <T>(name: string, absent: T, reader: (value: Value, what: string) => T): T => {
    const entry = sections.get(name);
    sections.delete(name);
    return entry === undefined ? absent : reader(entry.value, name);
  };
  const version = take<string | null>('version', null, (value) => (value.kind === 'other' ? value.text : null));
  if (version !== '1' && version !== '2') fail(root, 'version must be 1 or 2');
  // Scopes are the authorization server's and Assent's: an instance of Better Auth says nothing of what they stand for.
  if (version === '2') sections.delete('scopes');
  const policy = {
    statements: take<Grants>('statements', [], readGrants),
    organizationRoles: take<Roles>('organizationRoles', [], readRoles),
    platformRoles: take<Roles>('platformRoles', [], readRoles),
    adminUserIds: take<readonly string[]>('adminUserIds', [], (value, what) =>
      itemsOf(value, what).map((item) => textOf(item, `an item of ${what}`)),
    ),
    defaultPlatformRole: take('defaultPlatformRole', 'user', textOf),
  };
  for (const [name, entry] of sections) fail(entry, `unknown key "${name}"`);
  return policy;
};

/**
 * @param file Its name, for the error.
 * @throws {PolicyFileError} with file and line.
 */
export const readPolicy = (source: string, file: string): PolicyModel => {
  try {
    return read(source);
  } catch (error) {
    if (error instanceof YamlError) throw new PolicyFileError(`${file}:${error.line}: ${error.message}`);
    throw error;
  }
};
