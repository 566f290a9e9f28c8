/** From the roles of an auth.ts to a policy: Assent decides by it as Better Auth does. */
import { comparePolicies, readPolicy, writePolicy } from '@assent/policy-format';
import { betterAuth } from 'better-auth';
import { admin, jwt, organization } from 'better-auth/plugins';
import { createAccessControl, type Role } from 'better-auth/plugins/access';
import * as platform from 'better-auth/plugins/admin/access';
import * as members from 'better-auth/plugins/organization/access';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AuthError, findInstance } from '../../../packages/better-auth/src/policy/instance.ts';
import { readAuth } from '../../../packages/better-auth/src/policy/read-auth.ts';
import { decide } from '../../../src/policy/decide.ts';
import { DEFAULT_POLICY } from '../../../src/policy/defaults.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import { BETTER_AUTH_DEFAULTS } from '../../support/better-auth/defaults.ts';

type Plugins = NonNullable<Parameters<typeof betterAuth>[0]['plugins']>;
const instance = (plugins: Plugins) =>
  betterAuth({ secret: 'a-secret-of-the-tests-that-is-long-enough', baseURL: 'http://localhost', plugins });
const read = (plugins: Plugins) => readAuth(instance(plugins), BETTER_AUTH_DEFAULTS);
/** By way of the file, as Assent reads it. */
const assent = (plugins: Plugins) => parsePolicy(writePolicy(read(plugins).policy, []), 'policy.yaml');
const problemOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof AuthError) return error.message;
    throw error;
  }
  return '';
};

const ask = (plugins: Plugins, where: 'organization' | 'platform', role: string, resource: string, action: string) =>
  decide(
    assent(plugins),
    {
      user: { roles: where === 'platform' ? [role] : [], ban: null },
      organization: where === 'platform' ? null : { status: 'present', memberRoles: [role], dynamicRoles: [] },
    },
    { userId: 'u', scopes: null, resource, action },
    0,
  ).allowed;

it("an application without custom roles exports Better Auth's defaults, which are Assent's defaults", () => {
  const { policy, notes } = read([organization()]);
  const builtIn = readPolicy(DEFAULT_POLICY, 'default');
  expect(comparePolicies(builtIn, policy)).toEqual([]);
  expect(policy).toMatchObject({ platformRoles: [], adminUserIds: [], defaultPlatformRole: 'user' });
  expect(notes).toEqual([]);
  expect(ask([organization(), admin()], 'platform', 'admin', 'user', 'ban')).toBe(true);
  expect(ask([organization(), admin()], 'platform', 'admin', 'user', 'impersonate-admins')).toBe(false);
  expect(ask([organization(), admin()], 'platform', 'user', 'user', 'ban')).toBe(false);
  // Known, and granted to no role.
  expect(assent([organization(), admin()]).vocabulary.byResource.get('user')).toContain('impersonate-admins');
});

describe('custom roles', () => {
  const names: fc.Arbitrary<string> = fc.constantFrom(
    'data',
    'leave',
    'ac',
    '__proto__',
    'constructor',
    'true',
    'a b',
    "it's",
    '#1',
    '1',
  );
  const statements = fc.dictionary(names, fc.uniqueArray(names, { minLength: 1, maxLength: 4 }), {
    minKeys: 1,
    maxKeys: 4,
  });
  it('custom roles decide as they do in Better Auth, whatever their names are', () => {
    fc.assert(
      fc.property(
        statements,
        fc.dictionary(names, fc.array(fc.tuple(names, names), { maxLength: 5 })),
        (all, wanted) => {
          const access = createAccessControl(all);
          const roles: Record<string, Role> = {};
          for (const [name, pairs] of Object.entries(wanted)) {
            const granted: Record<string, string[]> = {};
            const put = (on: object, key: string, value: unknown) =>
              Object.defineProperty(on, key, { value, enumerable: true, writable: true, configurable: true });
            for (const [resource, action] of pairs) {
              put(granted, resource, [...(Object.hasOwn(granted, resource) ? (granted[resource] ?? []) : []), action]);
            }
            put(roles, name, access.newRole(granted));
          }
          const plugins: Plugins = [organization({ ac: access, roles })];
          const policy = assent(plugins);
          for (const [name, role] of Object.entries(roles)) {
            for (const [resource, actions] of Object.entries(all)) {
              for (const action of actions) {
                const facts = {
                  user: { roles: [], ban: null },
                  organization: { status: 'present', memberRoles: [name], dynamicRoles: [] },
                } as const;
                const own = (Object.hasOwn(role.statements, resource) ? role.statements[resource] : []) ?? [];
                expect(decide(policy, facts, { userId: 'u', scopes: null, resource, action }, 0).allowed).toBe(
                  own.includes(action),
                );
              }
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('custom roles replace the defaults', () => {
    const access = createAccessControl({ data: ['read'] });
    const plugins: Plugins = [organization({ ac: access, roles: { reader: access.newRole({ data: ['read'] }) } })];
    expect(read(plugins).policy.organizationRoles).toEqual([['reader', [['data', ['read']]]]]);
    expect(ask(plugins, 'organization', 'owner', 'organization', 'delete')).toBe(false);
  });
});

describe('the admin plugin', () => {
  const access = createAccessControl({
    ...members.defaultStatements,
    ...platform.defaultStatements,
    data: ['read', 'write'],
  });
  const roles = {
    user: access.newRole({ data: ['read'], session: ['list'] }),
    support: access.newRole({ data: ['read'], user: ['get'] }),
  };

  it('the export of the admin plugin has its roles, its default role and its administrators', () => {
    const { policy } = read([
      jwt(),
      admin({ roles, defaultRole: 'support', adminUserIds: ['u1', '2'], adminRoles: ['support'] }),
      organization(),
    ]);
    expect(policy.defaultPlatformRole).toBe('support');
    expect(policy.adminUserIds).toEqual(['u1', '2']);
    expect(policy.platformRoles).toEqual([
      [
        'user',
        [
          ['data', ['read']],
          ['session', ['list']],
        ],
      ],
      [
        'support',
        [
          ['data', ['read']],
          ['user', ['get']],
        ],
      ],
    ]);
  });

  it('the export of the admin plugin does not extend the grants of the default role to every organization', () => {
    const plugins: Plugins = [
      organization({ ac: access, roles: { owner: access.newRole({ data: ['write'] }) } }),
      admin({ ac: access, roles, adminRoles: [] }),
    ];
    const { policy, notes } = read(plugins);
    expect(policy.platformRoles[0]).toEqual(['user', []]);
    expect(policy.platformRoles[1]).toEqual([
      'support',
      [
        ['data', ['read']],
        ['user', ['get']],
      ],
    ]);
    expect(notes).toEqual([
      expect.stringMatching(/^left out: data:read, session:list of the platform role user, which every user has/),
      expect.stringMatching(/^the platform role support grants data:read, user:get in every organization/),
    ]);
  });
});

describe('permissions that a policy cannot express', () => {
  it.each([
    [{ '*': ['*'] }, 'left out: the resource "*", which is a wildcard to Assent'],
    [{ 'a:b': ['c'] }, 'left out: the resource "a:b", which has a colon'],
    [{ a: [' b'] }, 'left out: the action " b", which has spaces'],
    [{ a: ['x'.repeat(121)] }, 'which is longer than 120 characters'],
  ])('statements that a policy cannot express are left out with a warning: %j', (statements, note) => {
    const access = createAccessControl(statements as Record<string, string[]>);
    const plugins: Plugins = [
      organization({ ac: access, roles: { odd: access.newRole(statements as Record<string, string[]>) } }),
    ];
    expect(read(plugins).notes.join('\n')).toContain(note);
    expect(read(plugins).policy.organizationRoles).toEqual([['odd', []]]);
    expect(ask(plugins, 'organization', 'odd', 'anything', 'at all')).toBe(false);
  });

  it('a role with a comma in its name, and every default role but the first, are left out with a warning', () => {
    const access = createAccessControl({ data: ['read'] });
    const roles = { 'a,b': access.newRole({ data: ['read'] }) };
    const { policy, notes } = read([organization({ ac: access, roles }), admin({ defaultRole: 'user,other' })]);
    expect(policy.organizationRoles).toEqual([]);
    expect(notes).toEqual([
      expect.stringContaining('the organization role "a,b", which no user can have'),
      expect.stringContaining('other of defaultRole'),
    ]);
  });
});

describe('roles that cannot be exported', () => {
  const access = createAccessControl({ data: ['read', 'write'] });
  const fine = access.newRole({ data: ['read'] });
  it.each<readonly [string, unknown, string]>([
    ['a function', () => true, 'the organization role "odd" has no statements'],
    [
      'a role without statements',
      { authorize: () => ({ success: true }) },
      'the organization role "odd" has no statements',
    ],
    [
      'a role that decides otherwise',
      { ...fine, authorize: () => ({ success: true }) },
      'the organization role "odd" decides data:write by a custom function',
    ],
    [
      'a role that refuses what it states',
      { ...fine, authorize: () => ({ success: false }) },
      'the organization role "odd" decides data:read by a custom function',
    ],
    [
      'one that is asynchronous',
      { statements: {}, authorize: async () => ({ success: true }) },
      'by a custom function',
    ],
    [
      'actions that are no list',
      { ...fine, statements: { data: 'read' } },
      'the actions of "data" are not a list of texts',
    ],
  ])('the export is refused for %s', (_, role, message) => {
    const roles = { fine, odd: role as Role };
    expect(problemOf(() => read([organization({ ac: access, roles })]))).toContain(message);
  });

  it('the export is refused for an application with neither the organization plugin nor the admin plugin', () => {
    expect(problemOf(() => readAuth(betterAuth({ baseURL: 'http://localhost' }), BETTER_AUTH_DEFAULTS))).toContain(
      'has neither the organization plugin nor the admin plugin',
    );
  });

  it('the export is refused for a file without a Better Auth instance', async () => {
    const auth = instance([organization()]);
    expect(await findInstance({ auth, other: instance([]) })).toBe(auth);
    expect(await findInstance({ default: auth, other: instance([]) })).toBe(auth);
    expect(await findInstance({ default: { auth } })).toBe(auth);
    expect(await findInstance({ default: { api: auth } })).toBe(auth);
    // A promise that never comes to an end, beside it.
    expect(await findInstance({ connection: new Promise(() => {}), serverAuth: auth })).toBe(auth);
    await expect(findInstance({ createAuth: () => auth })).rejects.toThrow('its exports are createAuth (function)');
    await expect(findInstance({})).rejects.toThrow('its exports are none');
    await expect(findInstance({ auth: null })).rejects.toThrow(AuthError);
  });
});

describe('the difference between two policies', () => {
  const policy = (text: string) => readPolicy(`version: 1\n${text}`, 'policy.yaml');
  it('the difference between two policies compares grants, not the text', () => {
    const one = policy('organizationRoles:\n  a: {grants: {d: [r]}}\n  b: {extends: [a], grants: {d: [w]}}');
    const other = policy(
      'statements: {d: [r]}\norganizationRoles:\n  b:\n    grants:\n      d: [w, r]\n  a: {grants: {d: [r]}}\n  c: {}',
    );
    expect(comparePolicies(one, other)).toEqual([]);
  });

  it('the difference between two policies names each grant that only one of them has', () => {
    const one = policy(
      'organizationRoles: {a: {grants: {d: [r]}}}\nadminUserIds: [x]\nplatformRoles: {s: {grants: {"*": ["*"]}}}',
    );
    const other = policy('statements: {e: [f]}\norganizationRoles: {a: {grants: {d: [w]}}}\ndefaultPlatformRole: g');
    expect(comparePolicies(one, other)).toEqual([
      '- organization role a: d:r',
      '- platform role s: "*":"*"',
      '- admin user id x',
      '- default platform role user',
      '- permission d:r',
      '+ organization role a: d:w',
      '+ default platform role g',
      '+ permission e:f',
      '+ permission d:w',
    ]);
  });

  it.each([
    ['organizationRoles: {a: {extends: [b]}}', 'policy.yaml:2:35: "b" is not a role of organizationRoles'],
    [
      'organizationRoles:\n  a: {extends: [b]}\n  b: {extends: [a]}',
      'policy.yaml:4:17: a cycle: a extends b extends a',
    ],
    ['organisationRoles: {}', 'policy.yaml:2:1: unknown key "organisationRoles"'],
    ['organizationRoles: {a: {grant: {}}}', 'policy.yaml:2:25: unknown key "grant"; known are extends, grants'],
    ['adminUserIds: [1]', 'an item of adminUserIds must be text; put it in quotes'],
    ['statements: []', 'statements must be a mapping'],
  ])('the difference is refused for a file that is not a policy: %s', (text, message) => {
    expect(() => policy(text)).toThrow(message);
  });
  it('the difference is refused for a policy of another version', () => {
    expect(() => readPolicy('version: 3', 'policy.yaml')).toThrow('policy.yaml:1:10: version must be 1 or 2');
    const scopes = "scopes: { 'leave:read': [leave:read, leave:list] }";
    expect(() => readPolicy(`version: 1\n${scopes}`, 'policy.yaml')).toThrow(
      'policy.yaml:2:1: scopes are of version 2, and version is 1',
    );
    const roles = 'organizationRoles: { staff: { grants: { leave: [read, list] } } }';
    // Better Auth does not say what scopes stand for.
    const withScopes = readPolicy(`version: 2\n${roles}\n${scopes}`, 'p');
    expect(withScopes.scopes).toEqual([['leave:read', [['leave', ['read', 'list']]]]]);
    expect(comparePolicies(withScopes, readPolicy(`version: 1\n${roles}`, 'p'))).toEqual([]);
    expect(() => readPolicy('', 'policy.yaml')).toThrow('policy.yaml:1:1: the policy must be a mapping');
  });
});
