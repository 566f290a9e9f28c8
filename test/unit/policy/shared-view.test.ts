/** What stands in Redis for services that know nothing of Assent. */
import { describe, expect, it } from 'vitest';
import type { Facts } from '../../../src/policy/facts.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import { memberPermissions, sharedView } from '../../../src/policy/list.ts';

const NOW = 1_800_000_000_000;
const policy = parsePolicy(
  `version: 1
organizationRoles:
  viewer: { grants: { data: [read] } }
  staff: { extends: [viewer], grants: { data: [write] } }
platformRoles:
  support: { grants: { user: [read] } }
adminUserIds: [u]`,
  'policy.yaml',
);
const view = (facts: Facts) => sharedView(() => policy)(facts, NOW);
const NOTHING = { role: '', permissions: [] };

const user = { roles: ['support'], ban: null };
const member: Facts = {
  user,
  organization: {
    status: 'present',
    memberRoles: ['staff', 'night'],
    dynamicRoles: [{ role: 'night', grants: [['door', 'open']] }],
  },
};
const platform: Facts = { user, organization: null };
const banned = (facts: Facts, until: number | null): Facts => ({ ...facts, user: { ...user, ban: { until } } });

describe('the shared view', () => {
  it("the shared view has the member's organization roles and their grants, and nothing of the platform's", () => {
    expect(view(member)).toEqual({ role: 'staff,night', permissions: ['data:read', 'data:write', 'door:open'] });
  });

  it('the shared view of the platform has the platform roles, not the users that the policy names', () => {
    expect(view(platform)).toEqual({ role: 'support', permissions: ['user:read'] });
  });

  it.each([
    ['a member', member],
    ['the platform', platform],
  ])('the shared view is empty for %s while a ban holds', (_, facts) => {
    expect(view(banned(facts, null))).toEqual(NOTHING);
    expect(view(banned(facts, NOW + 1))).toEqual(NOTHING);
    expect(memberPermissions(policy, banned(facts, null), NOW)).toEqual([]);
    expect(view(banned(facts, NOW))).toEqual(view(facts));
  });

  it.each<readonly [string, Facts]>([
    ['an unknown user', { ...member, user: null }],
    ['an unknown user on the platform', { user: null, organization: null }],
    ['a stranger', { user, organization: { status: 'present', memberRoles: null, dynamicRoles: [] } }],
    ['no organization', { user, organization: { status: 'absent', memberRoles: null, dynamicRoles: [] } }],
  ])('the shared view is empty for %s', (_, facts) => {
    expect(view(facts)).toEqual(NOTHING);
  });
});
