/** Decides: policy, facts and a question in, an answer with its reason out. Pure: no I/O and no clock. */
import type { Ban, DynamicRole, Facts, OrganizationFacts, UserFacts } from './facts.ts';
import { covers, isKnown, organizationRoleGrants, type Policy, platformRoleGrants, scopeGrants } from './grants.ts';

/**
 * Decides by the rules of docs/use/decision.md, in their order: the first that applies answers. Scopes only take away what
 * roles grant.
 */
export function decide(policy: Policy, facts: Facts, question: Question, nowMs: number): Decision {
  const decision = decideByRoles(policy, facts, question, nowMs);
  const { scopes, resource, action } = question;
  if (!decision.allowed || scopes === null || scopesCover(policy, scopes, resource, action)) return decision;
  return deny('SCOPE_LACKS_PERMISSION', decision.roles);
}

/** The user of a question. */
export interface Asker {
  readonly userId: string;
  /** The scopes of the access token by which an application asks for the user; null when the user asks. */
  readonly scopes: readonly string[] | null;
}

/** A question. The facts have its organization, which is null for the whole platform. */
export interface Question extends Asker {
  readonly resource: string;
  readonly action: string;
}

/** The reasons of decisions, as docs/use/decision.md describes them. */
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
  /** The roles where the question is asked: the member's in an organization, else the platform roles. */
  readonly roles: readonly string[];
  /** The role that grants the permission, or {@link ADMIN_USER_IDS}; empty when denied. */
  readonly grantedBy: string;
}

/** The `grantedBy` of users whom the policy names as administrators. */
const ADMIN_USER_IDS = 'adminUserIds';

/** Whether a ban holds. Better Auth leaves `banned` set after the ban has ended, so that only the time can tell. */
export function isBanned(ban: Ban | null, nowMs: number): boolean {
  return ban !== null && (ban.until === null || ban.until > nowMs);
}

/** The platform roles of a user: the stored ones, else the default role. */
export function platformRolesOf(policy: Policy, user: UserFacts): readonly string[] {
  return user.roles.length === 0 ? [policy.defaultPlatformRole] : user.roles;
}

/** Why the user has no roles in an organization; null for a member. */
export function withoutMembership(
  organization: OrganizationFacts,
): 'ORGANIZATIONS_NOT_ENABLED' | 'ORGANIZATION_NOT_FOUND' | 'NOT_A_MEMBER' | null {
  if (organization.status === 'disabled') return 'ORGANIZATIONS_NOT_ENABLED';
  if (organization.status === 'absent') return 'ORGANIZATION_NOT_FOUND';
  return organization.memberRoles === null ? 'NOT_A_MEMBER' : null;
}

function decideByRoles(policy: Policy, facts: Facts, question: Question, nowMs: number): Decision {
  const { user, organization } = facts;
  if (user === null) return deny('USER_NOT_FOUND');
  const roles = organization === null ? platformRolesOf(policy, user) : (organization.memberRoles ?? []);
  if (isBanned(user.ban, nowMs)) return deny('USER_BANNED', roles);
  const platformRole = grantingPlatformRole(policy, user, question);
  if (platformRole !== null) return { allowed: true, reason: 'PLATFORM_ROLE_GRANTS', roles, grantedBy: platformRole };
  if (organization !== null) {
    const reason = withoutMembership(organization);
    if (reason !== null) return deny(reason);
    const role = grantingMemberRole(policy, organization, question);
    if (role !== null) return { allowed: true, reason: 'ROLE_GRANTS', roles, grantedBy: role };
  }
  const known = isKnown(policy, question.resource, question.action);
  return deny(known ? 'ROLE_LACKS_PERMISSION' : 'UNKNOWN_PERMISSION', roles);
}

function deny(reason: DecisionReason, roles: readonly string[] = []): Decision {
  return { allowed: false, reason, roles, grantedBy: '' };
}

function grantingPlatformRole(policy: Policy, user: UserFacts, { userId, resource, action }: Question): string | null {
  for (const role of platformRolesOf(policy, user)) {
    if (covers(platformRoleGrants(policy, role), resource, action)) return role;
  }
  return policy.adminUserIds.has(userId) ? ADMIN_USER_IDS : null;
}

function grantingMemberRole(
  policy: Policy,
  { memberRoles, dynamicRoles }: OrganizationFacts,
  question: Question,
): string | null {
  const dynamic = grantingDynamicRoles(dynamicRoles, question);
  for (const role of memberRoles ?? []) {
    if (covers(organizationRoleGrants(policy, role), question.resource, question.action) || dynamic.has(role)) {
      return role;
    }
  }
  return null;
}

const NO_ROLES: ReadonlySet<string> = new Set();

/** The dynamic roles that grant the permission. It reads each role once: the users of an organization create any number. */
function grantingDynamicRoles(
  dynamicRoles: readonly DynamicRole[],
  { resource, action }: Question,
): ReadonlySet<string> {
  if (dynamicRoles.length === 0) return NO_ROLES;
  const granting = new Set<string>();
  for (const { role, grants } of dynamicRoles) {
    // Better Auth has no wildcards: a `*` in a dynamic role is a name, and no request can name it.
    if (grants.some(([on, what]) => on === resource && what === action)) granting.add(role);
  }
  return granting;
}

function scopesCover(policy: Policy, scopes: readonly string[], resource: string, action: string): boolean {
  return scopes.some((scope) => covers(scopeGrants(policy, scope), resource, action));
}
