import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../src/permission/decide.ts';
import type { Facts } from '../../src/permission/facts.ts';
import { covers, grantsOf, pairsOf } from '../../src/permission/grants.ts';
import { listPermissions } from '../../src/permission/list.ts';
import { parsePermission } from '../../src/permission/permission-name.ts';
import { namedPairs, type Policy } from '../../src/permission/policy.ts';

const NOW = 1_800_000_000_000;
const name = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor');
const pair = fc.tuple(fc.oneof(name, fc.constant('*')), fc.oneof(name, fc.constant('*')));
const roleName = fc.constantFrom('owner', 'staff', 'toString', 'user');
const roles = fc.dictionary(roleName, fc.array(pair, { maxLength: 4 }), { noNullPrototype: false });

const policy: fc.Arbitrary<Policy> = fc
  .record({
    organization: roles,
    platform: roles,
    statements: fc.array(fc.tuple(name, name), { maxLength: 4 }),
    admins: fc.subarray(['u']),
  })
  .map(({ organization, platform, statements, admins }) => {
    const build = (written: Record<string, [string, string][]>) =>
      new Map(Object.entries(written).map(([role, pairs]) => [role, grantsOf(pairs)]));
    const [organizationRoles, platformRoles] = [build(organization), build(platform)];
    const named = [...organizationRoles.values(), ...platformRoles.values()].flatMap((grants) => [
      ...namedPairs(grants),
    ]);
    return {
      organizationRoles,
      platformRoles,
      adminUserIds: new Set(admins),
      defaultPlatformRole: 'user',
      vocabulary: grantsOf([...statements, ...named]),
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
  it('lists exactly what the decision allows of all that can be named, by itself or by a pattern', () => {
    fc.assert(
      fc.property(policy, facts, (p, f) => {
        const listed = listPermissions(p, f, 'u', NOW);
        const known = new Map([...pairsOf(p.vocabulary)].map((one) => [one.join(':'), one] as const));
        for (const dynamic of f.organization?.dynamicRoles ?? [])
          for (const one of dynamic.grants) known.set(one.join(':'), one);
        for (const [text, [resource, action]] of known) {
          if (parsePermission(text) === null) continue;
          const { allowed } = decide(p, f, { userId: 'u', resource, action }, NOW);
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

  it('leaves out a dynamic name with a colon, which could be taken for another permission', () => {
    const none = { organizationRoles: new Map(), platformRoles: new Map(), adminUserIds: new Set<string>() };
    const empty: Policy = { ...none, defaultPlatformRole: 'user', vocabulary: grantsOf([]) };
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
    expect(listPermissions(empty, member, 'u', NOW).permissions).toEqual(['a:b']);
  });

  it('lists of a dynamic role what can be asked for, and then is allowed, however odd its names', () => {
    const none = { organizationRoles: new Map(), platformRoles: new Map(), adminUserIds: new Set<string>() };
    const empty: Policy = { ...none, defaultPlatformRole: 'user', vocabulary: grantsOf([]) };
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
        const { permissions } = listPermissions(empty, member, 'u', NOW);
        for (const text of permissions) {
          const asked = parsePermission(Buffer.from(text).toString());
          expect(asked, JSON.stringify(text)).not.toBeNull();
          if (asked !== null) expect(decide(empty, member, { userId: 'u', ...asked }, NOW).allowed, text).toBe(true);
        }
        for (const [resource, action] of grants) {
          const text = `${resource}:${action}`;
          expect(permissions.includes(text), text).toBe(parsePermission(text) !== null);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('a role that nobody wrote grants nothing', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (role, resource, action) => {
        const none: Policy = {
          organizationRoles: new Map(),
          platformRoles: new Map(),
          adminUserIds: new Set(),
          defaultPlatformRole: 'user',
          vocabulary: grantsOf([]),
        };
        const member: Facts = {
          user: { roles: [role], ban: null },
          organization: { status: 'present', memberRoles: [role], dynamicRoles: [] },
        };
        expect(decide(none, member, { userId: 'u', resource, action }, NOW).allowed).toBe(false);
      }),
    );
  });
});

describe('covers', () => {
  it('agrees with the plain reading of a pattern', () => {
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
    'refuses %j',
    (text) => {
      expect(parsePermission(text)).toBeNull();
    },
  );
  it.each(['a:b', 'leave:approve', '__proto__:constructor', 'ü:ß', 'a b:c'])('takes %j', (text) => {
    expect(parsePermission(text)).toEqual({ resource: text.split(':')[0], action: text.split(':')[1] });
  });
});
