/** An organization's own people make its dynamic roles, as many as they like, and each check is decided anew. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { heldDynamicRoles } from '../../../src/database/facts-query.ts';
import { decide } from '../../../src/policy/decide.ts';
import type { DynamicRole, Facts } from '../../../src/policy/facts.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import { NO_GRANTS } from '../../../src/policy/grants.ts';
import { listPermissions } from '../../../src/policy/list.ts';

const policy = parsePolicy('version: 1', 'policy.yaml');
const COUNT = 1_000;
const names = Array.from({ length: COUNT }, (_, index) => `role-${index}`);

/** Facts of a member with all roles, which count how often the name of a dynamic role, or a role of the member, is read. */
const counting = (): { readonly facts: Facts; readonly reads: () => number } => {
  let reads = 0;
  const dynamicRoles = names.map((name): DynamicRole => {
    const grants: DynamicRole['grants'] = [['door', name]];
    return {
      get role() {
        reads += 1;
        return name;
      },
      grants,
    };
  });
  const memberRoles = new Proxy(names, {
    get: (target, key) => {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
      return Reflect.get(target, key);
    },
  });
  const facts: Facts = {
    user: { roles: [], ban: null },
    organization: { status: 'present', memberRoles, dynamicRoles },
  };
  return { facts, reads: () => reads };
};

const ask = (facts: Facts, action: string) =>
  decide(policy, facts, { userId: 'u', scopes: null, resource: 'door', action }, 0);

it("a check visits each of a member's roles a bounded number of times", () => {
  const { facts, reads } = counting();
  expect(ask(facts, 'none')).toMatchObject({ allowed: false });
  expect(reads()).toBeLessThan(10 * COUNT);
});

it("a list visits each of a member's roles a bounded number of times", () => {
  const { facts, reads } = counting();
  expect(listPermissions(policy, facts, { userId: 'u', scopes: null }, 0).permissions).toHaveLength(COUNT);
  expect(reads()).toBeLessThan(20 * COUNT);
});

it('names that the policy does not know are not compared with every permission', () => {
  const looked = vi.spyOn(NO_GRANTS.byResource, 'get');
  onTestFinished(() => looked.mockRestore());
  const known = parsePolicy('version: 1\nstatements: { door: [open, close], gate: [open] }', 'policy.yaml');
  const { facts } = counting();
  expect(listPermissions(known, facts, { userId: 'u', scopes: null }, 0).permissions).toHaveLength(COUNT);
  expect(looked.mock.calls.length).toBeLessThan(COUNT);
});

it('reading a member visits each row of dynamic roles a bounded number of times', () => {
  let reads = 0;
  const held = new Proxy(names, {
    get: (target, key) => {
      if (typeof key === 'string' && /^\d+$/.test(key)) reads += 1;
      return Reflect.get(target, key);
    },
  });
  const rows = names.map((role) => ({ role, permission: '{"door":["open"]}' }));
  expect(heldDynamicRoles(rows, held).roles).toHaveLength(COUNT);
  expect(reads).toBeLessThan(10 * COUNT);
});

it("the decision names the first granting role in the order of the member's roles, in any order of the rows", () => {
  const dynamicRoles = ['third', 'second', 'other'].map((role): DynamicRole => ({ role, grants: [['door', 'open']] }));
  const organization = { status: 'present' as const, memberRoles: ['first', 'second', 'third'], dynamicRoles };
  const facts: Facts = { user: { roles: [], ban: null }, organization };
  expect(ask(facts, 'open')).toMatchObject({ allowed: true, grantedBy: 'second' });
  // Before it, one that the policy knows.
  const first = parsePolicy('version: 1\norganizationRoles: { first: { grants: { door: [open] } } }', 'policy.yaml');
  expect(decide(first, facts, { userId: 'u', scopes: null, resource: 'door', action: 'open' }, 0).grantedBy).toBe(
    'first',
  );
  expect(ask({ ...facts, organization: { ...organization, memberRoles: ['first'] } }, 'open').allowed).toBe(false);
});
