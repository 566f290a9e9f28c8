/** Policy files as the exporter writes them and as people write them: the service and `assent-policy diff` read the same. */
import { PolicyError, type PolicyModel, pairName, pairsOf, readPolicy, writePolicy } from '@assent/policy-format';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse, parseDocument, stringify } from 'yaml';
import { parsePolicy } from '../../../src/policy/file.ts';

const name = fc.oneof(
  fc.constantFrom(
    'viewer',
    '__proto__',
    'constructor',
    'true',
    'no',
    '1',
    '1e3',
    '0x1f',
    '~',
    '-',
    '- a',
    'a: b',
    '#',
    'a #b',
  ),
  fc.constantFrom(
    "it's",
    '"',
    '\\',
    '{',
    '[a]',
    '&a',
    '*a',
    '!t',
    '|',
    '>',
    '%',
    '@',
    '`',
    '?',
    '? a',
    ',',
    'é ü',
    '.5',
    '---',
  ),
  fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
);
const fitting = name.filter(
  (text) =>
    text.trim() === text && text !== '*' && !/[:,\p{Cc}]/u.test(text) && text.isWellFormed() && text.length < 120,
);
const grants = fc.uniqueArray(fc.tuple(fitting, fc.uniqueArray(fitting, { minLength: 1, maxLength: 3 })), {
  maxLength: 3,
  selector: ([resource]) => resource,
});
const roles = fc.uniqueArray(fc.tuple(fitting, grants), { maxLength: 3, selector: ([role]) => role });
const scopeNames = fc.uniqueArray(fc.stringMatching(/^[\x21\x23-\x5B\x5D-\x7E]{1,9}$/), { maxLength: 3 });
const policy: fc.Arbitrary<PolicyModel> = fc
  .record({
    statements: grants,
    organizationRoles: roles,
    platformRoles: roles,
    adminUserIds: fc.uniqueArray(name, { maxLength: 3 }),
    defaultPlatformRole: fitting,
    scopeNames,
  })
  // A scope stands for known permissions only.
  .map(({ scopeNames: names, ...model }) => ({ ...model, scopes: names.map((scope) => [scope, model.statements]) }));

const style = fc.record({
  collectionStyle: fc.constantFrom('any' as const, 'flow' as const, 'block' as const),
  defaultKeyType: fc.constantFrom('PLAIN' as const, 'QUOTE_DOUBLE' as const, 'QUOTE_SINGLE' as const),
  defaultStringType: fc.constantFrom('PLAIN' as const, 'QUOTE_DOUBLE' as const, 'QUOTE_SINGLE' as const),
  indentSeq: fc.boolean(),
  flowCollectionPadding: fc.boolean(),
});

/** A model as the document that people would write for it; maps, since `__proto__` may be a name. */
const documentOf = ({ statements, organizationRoles, platformRoles, adminUserIds, ...model }: PolicyModel) => {
  const rolesOf = (roles: PolicyModel['platformRoles']) =>
    new Map(roles.map(([role, granted]) => [role, new Map([['grants', new Map(granted)]])]));
  return new Map<string, unknown>([
    ['version', 2],
    ['statements', new Map(statements)],
    ['organizationRoles', rolesOf(organizationRoles)],
    ['platformRoles', rolesOf(platformRoles)],
    ['adminUserIds', adminUserIds],
    ['defaultPlatformRole', model.defaultPlatformRole],
    ['scopes', new Map(model.scopes.map(([scope, granted]) => [scope, pairsOf(granted).map(pairName)]))],
  ]);
};

/** What the service makes of the text of a policy, in the form of the model. */
const served = (text: string) => {
  const assent = parsePolicy(text, 'policy.yaml');
  const listOf = (named: typeof assent.scopes) =>
    [...named].map(([role, { byResource }]) => [
      role,
      [...byResource].map(([resource, actions]) => [resource, [...actions]]),
    ]);
  return {
    organizationRoles: listOf(assent.organizationRoles),
    platformRoles: listOf(assent.platformRoles),
    adminUserIds: [...assent.adminUserIds],
    defaultPlatformRole: assent.defaultPlatformRole,
    scopes: listOf(assent.scopes),
  };
};

it('an exported policy is read back unchanged, by the service and by diff', () => {
  fc.assert(
    fc.property(policy, (model) => {
      const text = writePolicy(model, ['a comment\nof two lines']);
      expect(text).toContain(model.scopes.length === 0 ? 'version: 1\n' : 'version: 2\n');
      expect(readPolicy(text, 'policy.yaml')).toEqual(model);
      const { statements: _, ...rest } = model;
      expect(served(text)).toEqual(rest);
    }),
    { numRuns: 300 },
  );
});

it('a policy in any style of YAML is read alike', () => {
  fc.assert(
    fc.property(policy, style, (model, options) => {
      const text = stringify(documentOf(model), { ...options, lineWidth: 0 });
      // The library writes a lone "-" without quotes, and does not read that as a text.
      fc.pre(parseDocument(text).errors.length === 0);
      expect(readPolicy(text, 'policy.yaml')).toEqual(model);
    }),
    { numRuns: 500 },
  );
});

it('a policy with a character too many or too few is refused, or read as plain YAML reads it', () => {
  const character = fc.constantFrom(...' \n\t:#-,[]{}"\'*&!|>a1?~');
  let read = 0;
  fc.assert(
    fc.property(policy, style, fc.nat(), character, fc.boolean(), (model, options, place, extra, add) => {
      const whole = stringify(documentOf({ ...model, scopes: [] }), { ...options, lineWidth: 0 });
      const at = place % (whole.length + 1);
      const text = `${whole.slice(0, at)}${add ? extra : ''}${whole.slice(add ? at : at + 1)}`;
      let found: PolicyModel;
      try {
        found = readPolicy(text, 'policy.yaml');
      } catch (error) {
        expect(error).toBeInstanceOf(PolicyError);
        return;
      }
      read += 1;
      const plain: ReadonlyMap<string, unknown> = parse(text, { mapAsMap: true });
      const rolesOf = (section: string) => [
        ...((plain.get(section) ?? new Map()) as ReadonlyMap<
          string,
          ReadonlyMap<string, ReadonlyMap<string, string[]>>
        >),
      ];
      expect(found.adminUserIds).toEqual(plain.get('adminUserIds') ?? []);
      expect(found.defaultPlatformRole).toBe(plain.get('defaultPlatformRole') ?? 'user');
      for (const section of ['organizationRoles', 'platformRoles'] as const) {
        expect(found[section]).toEqual(
          rolesOf(section).map(([role, parts]) => [role, plainGrants(parts.get('grants') ?? new Map())]),
        );
      }
    }),
    { numRuns: 2_000 },
  );
  expect(read).toBeGreaterThan(300);
});

/** Each resource and each of its actions once; resources without an action are left out. */
const plainGrants = (grants: ReadonlyMap<string, readonly string[]>) =>
  [...grants]
    .filter(([, actions]) => actions.length > 0)
    .map(([resource, actions]) => [resource, [...new Set(actions)]]);

it('anchors, tags, block texts and texts over several lines are read, as the service reads them', () => {
  const text = `version: 1
organizationRoles:
  viewer: { grants: &all { data: [!!str read, "wri\\x74e"] } }
  editor: { grants: *all }
defaultPlatformRole: |-
  user
adminUserIds: ["one
  id"]
`;
  const model = readPolicy(text, 'policy.yaml');
  expect(model.organizationRoles).toEqual([
    ['viewer', [['data', ['read', 'write']]]],
    ['editor', [['data', ['read', 'write']]]],
  ]);
  expect(model.adminUserIds).toEqual(['one id']);
  expect(served(text)).toMatchObject({ adminUserIds: ['one id'], defaultPlatformRole: 'user' });
});

it.each([
  ['a: *x', 'policy.yaml:1:1: unknown key "a"'],
  ['a:\n  b: c\n    d: e', 'policy.yaml:2:6: Nested mappings are not allowed in compact mappings'],
  ['a:\n    b: c\n  d: e', 'policy.yaml:3:1: All mapping items must start at the same column'],
  ['  a: b\nc: d', 'policy.yaml:2:1: Unexpected scalar at node end'],
  ['a: b c: d', 'policy.yaml:1:4: Nested mappings are not allowed in compact mappings'],
  ['a: [b\nc]', 'policy.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ['a: {b: c', 'policy.yaml:1:9: Flow map in block collection must be sufficiently indented and end with a }'],
  ['a: "b\nc"', 'policy.yaml:1:6: Missing closing "quote'],
  ['version: 1\nversion: 2', 'policy.yaml:2:1: Map keys must be unique, and "version" is in the policy twice'],
  ['\ta: b', 'policy.yaml:1:1: Tabs are not allowed as indentation'],
  ['a: "\\y"', 'policy.yaml:1:5: Invalid escape sequence \\y'],
  ['1: a', 'policy.yaml:1:1: a key of the policy must be text; put it in quotes'],
  ['a\nb: c', 'policy.yaml:1:1: Implicit keys need to be on a single line'],
  ['version: 1\nadminUserIds:\n  - b: c', 'policy.yaml:3:5: an item of adminUserIds must be text; put it in quotes'],
  ['a: b\n---\nc: d', 'policy.yaml:2:1: Source contains multiple documents'],
])('YAML that is no policy is refused with its place: %j', (text, message) => {
  expect(() => readPolicy(text, 'policy.yaml')).toThrow(message);
});
