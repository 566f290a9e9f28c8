import { parsePermission } from '@assent/policy-format';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../../src/policy/decide.ts';
import type { Facts } from '../../../src/policy/facts.ts';
import { covers, grantsOf, type Policy, pairsOf } from '../../../src/policy/grants.ts';
import { listPermissions } from '../../../src/policy/list.ts';

const NOW = 1_800_000_000_000;
const name = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
const pair = fc.tuple(fc.oneof(name, fc.constant('*')), fc.oneof(name, fc.constant('*')));
const roleName = fc.constantFrom('owner', 'staff', 'toString', 'user');
const roles = fc.dictionary(roleName, fc.array(pair, { maxLength: 4 }), { noNullPrototype: false });

const scopeName = fc.constantFrom('leave:read', 'openid', 'toString');
/** Null: the user asks. */
const scopesAsked = fc.option(fc.uniqueArray(fc.oneof(scopeName, fc.constant('not-in-the-policy')), { maxLength: 3 }));

const policy: fc.Arbitrary<Policy> = fc
  .record({
    organization: roles,
    platform: roles,
    statements: fc.array(fc.tuple(name, name), { maxLength: 4 }),
    admins: fc.subarray(['u']),
    scopes: fc.dictionary(scopeName, fc.array(fc.nat({ max: 30 }), { maxLength: 3 }), { noNullPrototype: false }),
  })
  .map(({ organization, platform, statements, admins, scopes }) => {
    const build = (written: Record<string, [string, string][]>) =>
      new Map(Object.entries(written).map(([role, pairs]) => [role, grantsOf(pairs)]));
    const [organizationRoles, platformRoles] = [build(organization), build(platform)];
    const named = [...organizationRoles.values(), ...platformRoles.values()].flatMap((grants) =>
      [...pairsOf(grants)].filter((one) => !one.includes('*')),
    );
    const vocabulary = grantsOf([...statements, ...named]);
    const known = [...pairsOf(vocabulary)];
    return {
      organizationRoles,
      platformRoles,
      adminUserIds: new Set(admins),
      defaultPlatformRole: 'user',
      vocabulary,
      // As a policy file may have them: without wildcards, and of the vocabulary.
      scopes: new Map(
        Object.entries(scopes).map(([scope, places]) => [
          scope,
          grantsOf(places.flatMap((place) => (known.length === 0 ? [] : [known[place % known.length] ?? ['a', 'b']]))),
        ]),
      ),
    };
  });
const facts: fc.Arbitrary<Facts> = fc.record({
  user: fc.option(
    fc.record({
      roles: fc.array(roleName, { maxLength: 2 }),
      ban: fc.option(fc.record({ until: fc.constantFrom(null, NOW - 1, NOW + 1) })),
    }),
  ),
  organization: fc.option(
    fc.record({
      status: fc.constantFrom('present' as const, 'absent' as const, 'disabled' as const),
      memberRoles: fc.option(fc.array(roleName, { maxLength: 3 })),
      dynamicRoles: fc.array(fc.record({ role: roleName, grants: fc.array(pair, { maxLength: 3 }) }), { maxLength: 2 }),
    }),
  ),
});

describe('listPermissions', () => {
  it('listPermissions lists exactly the permissions that the decision allows, singly or by a pattern', () => {
    fc.assert(
      fc.property(policy, facts, scopesAsked, (p, f, scopes) => {
        const listed = listPermissions(p, f, { userId: 'u', scopes }, NOW);
        const known = new Map([...pairsOf(p.vocabulary)].map((one) => [one.join(':'), one] as const));
        for (const dynamic of f.organization?.dynamicRoles ?? [])
          for (const one of dynamic.grants) known.set(one.join(':'), one);
        for (const [text, [resource, action]] of known) {
          if (parsePermission(text) === null) continue;
          const { allowed } = decide(p, f, { userId: 'u', scopes, resource, action }, NOW);
          const patterns = listed.permissions.filter((one) => one.includes('*')).map((one) => one.split(':'));
          const matched = patterns.some(
            ([on, what]) => (on === '*' || on === resource) && (what === '*' || what === action),
          );
          expect(listed.permissions.includes(text) || matched, text).toBe(allowed);
          if (p.vocabulary.byResource.get(resource)?.has(action) === true) {
            expect(listed.permissions.includes(text), text).toBe(allowed);
          }
        }
        for (const text of listed.permissions) if (!text.includes('*')) expect(known.has(text), text).toBe(true);
        expect(listed.permissions).toEqual([...new Set(listed.permissions)].toSorted());
        expect(['ROLE_GRANTS', 'PLATFORM_ROLE_GRANTS'].includes(listed.reason)).toBe(listed.permissions.length > 0);
      }),
      { numRuns: 5_000 },
    );
  });

  it('listPermissions never lists more for an access token than for its user, whatever its scopes', () => {
    fc.assert(
      fc.property(policy, facts, scopesAsked, name, name, (p, f, asked, resource, action) => {
        const scopes = asked ?? [];
        const [own, narrowed] = [null, scopes].map((of) => listPermissions(p, f, { userId: 'u', scopes: of }, NOW));
        const [mine, byToken] = [null, scopes].map((of) =>
          decide(p, f, { userId: 'u', scopes: of, resource, action }, NOW),
        );
        expect(narrowed?.permissions.filter((one) => own?.permissions.includes(one) !== true)).toEqual([]);
        expect(narrowed?.permissions.filter((one) => one.includes('*'))).toEqual([]);
        const stands = scopes.some((scope) => covers(p.scopes.get(scope) ?? grantsOf([]), resource, action));
        expect(byToken?.allowed).toBe(mine?.allowed === true && stands);
        // What is denied to the user is denied for the same reason.
        if (mine?.allowed === false) expect(byToken).toEqual(mine);
        else if (!stands)
          expect(byToken).toEqual({ ...mine, allowed: false, reason: 'SCOPE_LACKS_PERMISSION', grantedBy: '' });
        if (narrowed?.permissions.length === 0 && (own?.permissions.length ?? 0) > 0) {
          expect(narrowed.reason).toBe('SCOPE_LACKS_PERMISSION');
        }
        const empty = { ...p, scopes: new Map() };
        expect(decide(empty, f, { userId: 'u', scopes, resource, action }, NOW).allowed).toBe(false);
        expect(listPermissions(empty, f, { userId: 'u', scopes }, NOW).permissions).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });

  it('listPermissions leaves out a dynamic name with a colon, which could be taken for another permission', () => {
    const none = { organizationRoles: new Map(), platformRoles: new Map(), adminUserIds: new Set<string>() };
    const empty: Policy = { ...none, defaultPlatformRole: 'user', vocabulary: grantsOf([]), scopes: new Map() };
    const member: Facts = {
      user: { roles: [], ban: null },
      organization: {
        status: 'present',
        memberRoles: ['r'],
        dynamicRoles: [
          {
            role: 'r',
            grants: [
              ['a:b', 'c'],
              ['a', 'b:c'],
              ['a', 'b'],
            ],
          },
        ],
      },
    };
    expect(listPermissions(empty, member, { userId: 'u', scopes: null }, NOW).permissions).toEqual(['a:b']);
  });

  it('listPermissions lists of a dynamic role only permissions that a check can name and allows, however odd its names', () => {
    const none = { organizationRoles: new Map(), platformRoles: new Map(), adminUserIds: new Set<string>() };
    const empty: Policy = { ...none, defaultPlatformRole: 'user', vocabulary: grantsOf([]), scopes: new Map() };
    const odd = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 3 }),
      fc.constantFrom('', '*', ':', '\n', '\0', '\ud800', ' ', '__proto__', '\ufffd', 'a'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(odd, odd)), (grants) => {
        const member: Facts = {
          user: { roles: [], ban: null },
          organization: { status: 'present', memberRoles: ['r'], dynamicRoles: [{ role: 'r', grants }] },
        };
        const { permissions } = listPermissions(empty, member, { userId: 'u', scopes: null }, NOW);
        for (const text of permissions) {
          const asked = parsePermission(Buffer.from(text).toString());
          expect(asked, JSON.stringify(text)).not.toBeNull();
          if (asked !== null)
            expect(decide(empty, member, { userId: 'u', scopes: null, ...asked }, NOW).allowed, text).toBe(true);
        }
        for (const [resource, action] of grants) {
          const text = `${resource}:${action}`;
          expect(permissions.includes(text), text).toBe(parsePermission(text) !== null);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('a role without a definition grants nothing', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (role, resource, action) => {
        const none: Policy = {
          organizationRoles: new Map(),
          platformRoles: new Map(),
          adminUserIds: new Set(),
          defaultPlatformRole: 'user',
          vocabulary: grantsOf([]),
          scopes: new Map(),
        };
        const member: Facts = {
          user: { roles: [role], ban: null },
          organization: { status: 'present', memberRoles: [role], dynamicRoles: [] },
        };
        expect(decide(none, member, { userId: 'u', scopes: null, resource, action }, NOW).allowed).toBe(false);
      }),
    );
  });
});

describe('covers', () => {
  it('covers agrees with the plain reading of a pattern', () => {
    fc.assert(
      fc.property(fc.array(pair), name, name, (pairs, resource, action) => {
        const plain = pairs.some(([on, what]) => (on === '*' || on === resource) && (what === '*' || what === action));
        expect(covers(grantsOf(pairs), resource, action)).toBe(plain);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('parsePermission', () => {
  it.each(['', ':', 'a', 'a:', ':b', 'a:b:c', '*:b', 'a:*', '*:*', 'a:\n', 'a\0:b', 'a:\ud800'])(
    'parsePermission refuses %j',
    (text) => {
      expect(parsePermission(text)).toBeNull();
    },
  );
  it.each(['a:b', 'leave:approve', '__proto__:constructor', 'ü:ß', 'a b:c'])('parsePermission takes %j', (text) => {
    expect(parsePermission(text)).toEqual({ resource: text.split(':')[0], action: text.split(':')[1] });
  });
});
