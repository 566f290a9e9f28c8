/** The decision: policy, facts and a question in, an answer with its reason out. Pure: no I/O and no clock. */
import { isBanned } from './ban.ts';
import type { DynamicRole, Facts, OrganizationFacts, UserFacts } from './facts.ts';
import { covers } from './grants.ts';
import { isKnown, organizationRoleGrants, type Policy, platformRoleGrants, scopesCover } from './policy.ts';

/** Who asks. */
export interface Asker {
  readonly userId: string;
  /** The scopes of the access token by which an application asks for the user; null when the user asks. */
  readonly scopes: readonly string[] | null;
}

/** What is asked; where is said by the facts, whose organization is null for the whole platform. */
export interface Question extends Asker {
  readonly resource: string;
  readonly action: string;
}

/** Why a decision fell as it did. */
export type DecisionReason =
  | 'ROLE_GRANTS'
  | 'PLATFORM_ROLE_GRANTS'
  | 'ROLE_LACKS_PERMISSION'
  | 'NOT_A_MEMBER'
  | 'USER_BANNED'
  | 'USER_INACTIVE'
  | 'USER_NOT_FOUND'
  | 'ORGANIZATION_NOT_FOUND'
  | 'NO_ORGANIZATION'
  | 'ORGANIZATIONS_NOT_ENABLED'
  | 'UNKNOWN_PERMISSION'
  | 'SCOPE_LACKS_PERMISSION';

export interface Decision {
  readonly allowed: boolean;
  readonly reason: DecisionReason;
  /** The roles in the scope of the question: the member's, or the platform roles. */
  readonly roles: readonly string[];
  /** The role that grants it, or {@link ADMIN_USER_IDS}; empty when denied. */
  readonly grantedBy: string;
}

/** What grants the platform to the users that the policy names. */
const ADMIN_USER_IDS = 'adminUserIds';

/** The platform roles of a user: those stored, else the default. */
export const platformRolesOf = (policy: Policy, user: UserFacts): readonly string[] =>
  user.roles.length === 0 ? [policy.defaultPlatformRole] : user.roles;

/** Why an organization has no roles to look at; null when the user is a member. */
export const withoutMembership = (
  organization: OrganizationFacts,
): 'ORGANIZATIONS_NOT_ENABLED' | 'ORGANIZATION_NOT_FOUND' | 'NOT_A_MEMBER' | null => {
  if (organization.status === 'disabled') return 'ORGANIZATIONS_NOT_ENABLED';
  if (organization.status === 'absent') return 'ORGANIZATION_NOT_FOUND';
  return organization.memberRoles === null ? 'NOT_A_MEMBER' : null;
};

const platformGrant = (policy: Policy, user: UserFacts, { userId, resource, action }: Question): string | null => {
  for (const role of platformRolesOf(policy, user)) {
    if (covers(platformRoleGrants(policy, role), resource, action)) return role;
  }
  return policy.adminUserIds.has(userId) ? ADMIN_USER_IDS : null;
};

const NO_ROLES: ReadonlySet<string> = new Set();

/** The names of the dynamic roles that grant it. Looked at once: an organization's people make as many as they like. */
const grantingDynamicRoles = (dynamicRoles: readonly DynamicRole[], { resource, action }: Question) => {
  if (dynamicRoles.length === 0) return NO_ROLES;
  const granting = new Set<string>();
  for (const { role, grants } of dynamicRoles) {
    // Better Auth knows no wildcards, so that a `*` in a dynamic role is a name, and one that nobody can ask for.
    if (grants.some(([on, what]) => on === resource && what === action)) granting.add(role);
  }
  return granting;
};

const memberGrant = (
  policy: Policy,
  { memberRoles, dynamicRoles }: OrganizationFacts,
  question: Question,
): string | null => {
  const dynamic = grantingDynamicRoles(dynamicRoles, question);
  for (const role of memberRoles ?? []) {
    if (covers(organizationRoleGrants(policy, role), question.resource, question.action) || dynamic.has(role))
      return role;
  }
  return null;
};

/** Decides, in the order of docs/use/decision.md: the first rule that applies answers. Scopes only take away what roles give. */
export function decide(policy: Policy, facts: Facts, question: Question, nowMs: number): Decision {
  const decision = decideByRoles(policy, facts, question, nowMs);
  const { scopes, resource, action } = question;
  if (!decision.allowed || scopes === null || scopesCover(policy, scopes, resource, action)) return decision;
  return deny('SCOPE_LACKS_PERMISSION', decision.roles);
}

const deny = (reason: DecisionReason, roles: readonly string[] = []): Decision => ({
  allowed: false,
  reason,
  roles,
  grantedBy: '',
});

const decideByRoles = (policy: Policy, facts: Facts, question: Question, nowMs: number): Decision => {
  const { user, organization } = facts;
  if (user === null) return deny('USER_NOT_FOUND');
  const roles = organization === null ? platformRolesOf(policy, user) : (organization.memberRoles ?? []);
  if (isBanned(user.ban, nowMs)) return deny('USER_BANNED', roles);
  const byPlatform = platformGrant(policy, user, question);
  if (byPlatform !== null) return { allowed: true, reason: 'PLATFORM_ROLE_GRANTS', roles, grantedBy: byPlatform };
  if (organization !== null) {
    const reason = withoutMembership(organization);
    if (reason !== null) return deny(reason);
    const byRole = memberGrant(policy, organization, question);
    if (byRole !== null) return { allowed: true, reason: 'ROLE_GRANTS', roles, grantedBy: byRole };
  }
  const known = isKnown(policy, question.resource, question.action);
  return deny(known ? 'ROLE_LACKS_PERMISSION' : 'UNKNOWN_PERMISSION', roles);
};
