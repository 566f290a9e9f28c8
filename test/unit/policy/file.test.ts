import { describe, expect, it } from 'vitest';
import { PolicyError, parsePolicy } from '../../../src/policy/file.ts';
import { pairsOf } from '../../../src/policy/grants.ts';

const problemsOf = (text: string): readonly string[] => {
  try {
    parsePolicy(text, 'policy.yaml');
    return [];
  } catch (error) {
    if (error instanceof PolicyError) return error.message.split('\n');
    throw error;
  }
};

describe('parsePolicy', () => {
  it.each([
    ['an empty file', '', ['policy.yaml:1:1: the policy must be a mapping', 'policy.yaml:1:1: version must be 1']],
    ['another version', 'version: 3', ['policy.yaml:1:10: version must be 1 or 2']],
    ['a version as text', 'version: "2"', ['policy.yaml:1:10: version must be 1 or 2']],
    ['scopes in version 1', 'version: 1\nscopes: {}', ['policy.yaml:2:1: scopes are of version 2, and version is 1']],
    ['scopes that are no mapping', 'version: 2\nscopes: [a]', ['policy.yaml:2:9: scopes must be a mapping']],
    [
      'a scope that is no list',
      'version: 2\nstatements: { leave: [read] }\nscopes:\n  leave:read: leave:read',
      ['policy.yaml:4:15: scopes.leave:read must be a list'],
    ],
    [
      'a scope twice',
      'version: 2\nstatements: { leave: [read] }\nscopes:\n  a: [leave:read]\n  a: []',
      ['policy.yaml:5:3: Map keys must be unique, and "a" is in scopes twice'],
    ],
    [
      'a scope with a space, which would be two',
      'version: 2\nscopes: { "leave read": [] }',
      ['policy.yaml:2:11: a scope must be printable ASCII without spaces, quotes and backslashes (RFC 6749)'],
    ],
    ['a scope without a name', 'version: 2\nscopes: { "": [] }', ['policy.yaml:2:11: a scope must be printable ASCII']],
    [
      'a scope beyond ASCII',
      'version: 2\nscopes: { "übung": [] }',
      ['policy.yaml:2:11: a scope must be printable ASCII'],
    ],
    [
      'a permission of a scope that is none',
      'version: 2\nstatements: { leave: [read] }\nscopes: { a: [leave, "leave:read:all", 7] }',
      [
        'policy.yaml:3:15: a permission of scopes.a must be resource:action, without wildcards',
        'policy.yaml:3:22: a permission of scopes.a must be resource:action, without wildcards',
        'policy.yaml:3:40: a permission of scopes.a must be text',
      ],
    ],
    [
      'a wildcard in a scope',
      'version: 2\nstatements: { leave: [read] }\nscopes: { a: ["leave:*", "*:read", "*:*", "*"] }',
      [
        'policy.yaml:3:15: a permission of scopes.a must be resource:action, without wildcards',
        'policy.yaml:3:26: a permission of scopes.a must be resource:action, without wildcards',
        'policy.yaml:3:36: a permission of scopes.a must be resource:action, without wildcards',
        'policy.yaml:3:43: a permission of scopes.a must be resource:action, without wildcards',
      ],
    ],
    [
      'a permission of a scope that nothing else names, so that it may be misspelt',
      'version: 2\nplatformRoles: { root: { grants: { "*": ["*"] } } }\nscopes: { a: [leave:raed] }',
      ['policy.yaml:3:15: "leave:raed" of scopes.a is no known permission: statements or a role must name it'],
    ],
    ['an unknown key', 'version: 1\nrolez: {}', ['policy.yaml:2:1: unknown key "rolez"; known are']],
    [
      'an unknown key of a role',
      'version: 1\norganizationRoles:\n  a: { grant: {} }',
      ['policy.yaml:3:8: unknown key "grant"'],
    ],
    [
      'an unknown parent',
      'version: 1\norganizationRoles:\n  a: { extends: [b] }',
      ['policy.yaml:3:18: "b" is not a role of organizationRoles'],
    ],
    [
      'a parent among the other kind of roles',
      'version: 1\norganizationRoles:\n  a: { extends: [b] }\nplatformRoles:\n  b: {}',
      ['policy.yaml:3:18: "b" is not a role of organizationRoles'],
    ],
    [
      'a cycle',
      'version: 1\norganizationRoles:\n  a: { extends: [b] }\n  b: { extends: [c] }\n  c: { extends: [a] }',
      ['policy.yaml:5:18: a cycle: a extends b extends c extends a'],
    ],
    [
      'a role that extends itself',
      'version: 1\norganizationRoles:\n  a: { extends: [a] }',
      ['policy.yaml:3:18: a cycle: a extends a'],
    ],
    ['a key twice', 'version: 1\nversion: 1', ['policy.yaml:2:1: Map keys must be unique']],
    [
      'a key twice, once by an alias, of which the last would count',
      'version: 1\norganizationRoles:\n  &a admin: {}\n  *a : { grants: { "*": ["*"] } }',
      ['policy.yaml:4:3: Map keys must be unique, and "admin" is in organizationRoles twice'],
    ],
    [
      'half a character in a name, which no request can have',
      'version: 1\nstatements: { data: ["\\ud800"] }',
      ['policy.yaml:2:22: an action of statements.data must be valid Unicode'],
    ],
    [
      'a colon in a name',
      'version: 1\nstatements: { "a:b": [c] }',
      ['policy.yaml:2:15: a resource of statements must not have a colon'],
    ],
    [
      'a wildcard in the vocabulary',
      'version: 1\nstatements: { data: ["*"] }',
      ['policy.yaml:2:22: an action of statements.data must not be a wildcard'],
    ],
    [
      'a comma in a role',
      'version: 1\norganizationRoles: { "a,b": {} }',
      ['policy.yaml:2:22: a role of organizationRoles must not have a comma'],
    ],
    [
      'actions that are no list',
      'version: 1\nstatements: { data: read }',
      ['policy.yaml:2:21: statements.data must be a list'],
    ],
    [
      'an action that is a number',
      'version: 1\nstatements: { data: [1] }',
      ['policy.yaml:2:22: an action of statements.data must be text'],
    ],
    [
      'adminUserIds that are no list',
      'version: 1\nadminUserIds: root',
      ['policy.yaml:2:15: adminUserIds must be a list'],
    ],
    [
      'a name that is too long',
      `version: 1\nplatformRoles: { ${'r'.repeat(121)}: {} }`,
      ['policy.yaml:2:18: a role of platformRoles must be at most 120 characters long'],
    ],
    [
      'a space around a name',
      'version: 1\nstatements: { data: ["read "] }',
      ['policy.yaml:2:22: an action of statements.data must not begin or end with a space'],
    ],
    [
      'a control character in a name',
      'version: 1\nstatements: { "da\\u0000ta": [read] }',
      ['policy.yaml:2:15: a resource of statements must not begin or end with a space or have control characters'],
    ],
    [
      'an empty name',
      'version: 1\nstatements: { data: [""] }',
      ['policy.yaml:2:22: an action of statements.data must not be empty'],
    ],
    ['a tag', 'version: 1\nstatements: { data: [!mine read] }', ['policy.yaml:2:22: Unresolved tag: !mine']],
    ['YAML that is none', 'version: 1\n  a: [', ['policy.yaml:']],
  ])('parsePolicy names the place of %s', (_name, text, expected) => {
    const problems = problemsOf(text);
    expect(problems.length).toBeGreaterThanOrEqual(expected.length);
    for (const [index, start] of expected.entries()) expect(problems[index]).toContain(start);
  });

  it('parsePolicy reports all problems in one go, in their order', () => {
    const text = 'version: 3\norganizationRoles:\n  a: { extends: [x], grants: { r: [1] } }\nnonsense: 1';
    expect(problemsOf(text).map((line) => line.split(':')[1])).toEqual(['1', '3', '3', '4']);
  });

  it('parsePolicy bounds aliases, which can grow without end', () => {
    const policy = (count: number) =>
      `version: 1\nstatements:\n  a: &x [read]\n${Array.from({ length: count }, (_, index) => `  r${index}: *x\n`).join('')}`;
    expect(problemsOf(policy(100))).toEqual([]);
    // Said once, at the first one that is too many; from there on nothing is read of what they stand for.
    expect(problemsOf(policy(101))).toEqual([
      'policy.yaml:1:1: statements.r100 must be a list',
      'policy.yaml:104:9: more than 100 aliases',
    ]);
    expect(problemsOf(policy(120)).filter((line) => line.includes('aliases'))).toHaveLength(1);
    expect(() => parsePolicy(policy(120), 'policy.yaml')).toThrow(PolicyError);
  });

  it('parsePolicy bounds its length, before it reads it', () => {
    expect(problemsOf(`version: 1\n#${'x'.repeat(1_048_576)}`)).toEqual([
      'policy.yaml:1:1: longer than 1048576 characters',
    ]);
  });

  it('parsePolicy reads the permissions of each scope', () => {
    const policy = parsePolicy(
      `version: 2
statements: { leave: [read] }
organizationRoles: { staff: { grants: { leave: [request], data: [write] } } }
scopes:
  leave:read: [leave:read]
  'https://api.example.com/leave': [leave:read, leave:request, data:write, data:write]
  __proto__: [leave:read]
  openid: []`,
      'p',
    );
    expect(
      [...policy.scopes].map(([scope, grants]) => [scope, [...pairsOf(grants)].map((pair) => pair.join(':'))]),
    ).toEqual([
      ['leave:read', ['leave:read']],
      ['https://api.example.com/leave', ['leave:read', 'leave:request', 'data:write']],
      ['__proto__', ['leave:read']],
      ['openid', []],
    ]);
  });

  it.each(['version: 1', 'version: 2'])(
    'parsePolicy reads all other sections alike in %s, and no scopes where there are none',
    (version) => {
      const rest = 'organizationRoles: { staff: { grants: { data: [read] } } }\nadminUserIds: [root]';
      expect(parsePolicy(`${version}\n${rest}`, 'p')).toEqual(parsePolicy(`version: 1\n${rest}`, 'p'));
      expect(parsePolicy(`${version}\n${rest}`, 'p').scopes.size).toBe(0);
    },
  );

  it('parsePolicy keeps names of prototypes as names', () => {
    const policy = parsePolicy(
      'version: 1\norganizationRoles:\n  __proto__: { grants: { __proto__: [constructor] } }',
      'p',
    );
    expect([...policy.organizationRoles.keys()]).toEqual(['__proto__']);
    expect(policy.vocabulary.byResource.get('__proto__')).toEqual(new Set(['constructor']));
  });

  it('parsePolicy resolves a wide diamond of parents', () => {
    const roles = Array.from(
      { length: 60 },
      (_, index) =>
        `  r${index}: { extends: [${index === 0 ? '' : `r${index - 1}, r${Math.max(0, index - 2)}`}], grants: { x: [a${index}] } }`,
    );
    const policy = parsePolicy(`version: 1\norganizationRoles:\n${roles.toReversed().join('\n')}`, 'p');
    expect(policy.organizationRoles.get('r59')?.byResource.get('x')?.size).toBe(60);
  });

  const chain = (length: number): string =>
    Array.from({ length }, (_, index) => `  r${index}: { extends: [${index === 0 ? '' : `r${index - 1}`}] }`).join(
      '\n',
    );
  const organizationRoles = (roles: string): string => `version: 1\norganizationRoles:\n${roles}`;

  it.each([1, 64])('parsePolicy takes a chain of %s roles', (length) => {
    expect(problemsOf(organizationRoles(chain(length)))).toEqual([]);
  });

  // 12,000 were a RangeError, and 2,501 took 3 s.
  it.each([65, 2_501, 12_000])('parsePolicy names the chain when it has %s roles', (length) => {
    expect(problemsOf(organizationRoles(chain(length)))).toEqual([
      'policy.yaml:67:20: a chain of more than 64 roles: r64 extends r63 extends r62 extends r61 extends … extends r3 extends r2 extends r1 extends r0',
    ]);
  });

  it('parsePolicy reports a cycle of thousands of roles', () => {
    const roles = Array.from({ length: 5_000 }, (_, index) => `  r${index}: { extends: [r${(index + 1) % 5_000}] }`);
    const problems = problemsOf(organizationRoles(roles.join('\n')));
    expect(problems.join('\n')).toContain('a cycle: r0 extends r1 extends r2 extends r3 extends … extends r4997');
    expect(problems.join('\n').length).toBeLessThan(1_000);
  });

  it('parsePolicy gives roles that only inherit the same grants, which it makes once', () => {
    const base = '  base: { grants: { a: [x, y], b: [z] } }\n';
    const policy = parsePolicy(
      organizationRoles(`${base}  same: { extends: [base] }\n  more: { extends: [base], grants: { c: [x] } }`),
      'p',
    );
    const grantsOfRole = (role: string) => policy.organizationRoles.get(role)?.byResource;
    expect(grantsOfRole('same')).toBe(grantsOfRole('base'));
    expect([...(grantsOfRole('more')?.keys() ?? [])]).toEqual(['c', 'a', 'b']);
    expect(grantsOfRole('more')?.get('a')).toBe(grantsOfRole('base')?.get('a'));
  });

  it('parsePolicy bounds the grants that roles inherit in all', () => {
    const parents = Array.from({ length: 2_000 }, (_, index) => `  p${index}: { grants: { x: [a${index}] } }`);
    const all = `  all: { extends: [${parents.map((_, index) => `p${index}`).join(', ')}] }`;
    const heirs = Array.from({ length: 1_100 }, (_, index) => `  h${index}: { extends: [all], grants: { x: [h] } }`);
    const problems = problemsOf(organizationRoles([...parents, all, ...heirs].join('\n')));
    expect(problems).toEqual([
      expect.stringMatching(/^policy\.yaml:\d+:\d+: the roles of organizationRoles inherit more than 2000000 grants/),
    ]);
  });

  it('parsePolicy names a hundred problems, and how many more there are', () => {
    const roles = Array.from({ length: 1_000 }, (_, index) => `  r${index}: { extends: [x] }`);
    const problems = problemsOf(organizationRoles(roles.join('\n')));
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toMatch(
      /^policy\.yaml:103:.*"x" is not a role of organizationRoles; and 899 more problems$/,
    );
  });
});
