/** From messages of the service to the data of the kit. */
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type CheckPermissionResponse,
  type ListPermissionsResponse,
  type Membership as MembershipMessage,
  type Organization as OrganizationMessage,
  type Principal as PrincipalMessage,
  Reason,
  type User as UserMessage,
  type VerifyTokenResponse,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import type {
  Decision,
  FactSource,
  Membership,
  Organization,
  PermissionList,
  Principal,
  User,
  VerifiedToken,
} from './types.ts';

/** Nothing but true allows; an answer that allows and has no reason is none of this service. */
export function decisionOf(message: CheckPermissionResponse): Decision {
  return {
    allowed: message.allowed === true,
    reason: reasonOf(message.reason),
    roles: message.roles,
    grantedBy: message.grantedBy === '' ? null : message.grantedBy,
    source: SOURCES[message.source] ?? 'unknown',
    computedAt: dateOf(message.computedAt) ?? new Date(0),
    principal: message.principal === undefined ? null : principalOf(message.principal),
  };
}

export function principalOf(message: PrincipalMessage): Principal {
  return {
    userId: message.userId,
    email: textOf(message.email),
    roles: rolesOf(message.role),
    organizationId: textOf(message.organizationId),
    organizationRoles: rolesOf(message.organizationRole),
    isActive: message.isActive,
    clientId: textOf(message.clientId),
    scopes: message.scopes,
  };
}

export function verifiedOf(message: VerifyTokenResponse): VerifiedToken | null {
  if (message.principal === undefined) return null;
  return {
    principal: principalOf(message.principal),
    issuedAt: dateOf(message.issuedAt),
    expiresAt: dateOf(message.expiresAt) ?? new Date(0),
  };
}

export function permissionsOf<Permission extends string>(message: ListPermissionsResponse): PermissionList<Permission> {
  return {
    permissions: message.permissions as Permission[],
    roles: message.roles,
    reason: reasonOf(message.reason),
    source: SOURCES[message.source] ?? 'unknown',
    computedAt: dateOf(message.computedAt) ?? new Date(0),
  };
}

export function userOf(message: UserMessage): User {
  return {
    id: message.id,
    name: message.name,
    email: textOf(message.email),
    emailVerified: message.emailVerified,
    image: textOf(message.image),
    roles: message.roles,
    banned: message.banned,
    banReason: textOf(message.banReason),
    banExpiresAt: dateOf(message.banExpiresAt),
    createdAt: dateOf(message.createdAt),
    updatedAt: dateOf(message.updatedAt),
  };
}

export function organizationOf(message: OrganizationMessage): Organization {
  return {
    id: message.id,
    name: message.name,
    slug: message.slug,
    logo: textOf(message.logo),
    metadata: textOf(message.metadata),
    createdAt: dateOf(message.createdAt),
  };
}

export function membershipOf(message: MembershipMessage): Membership | null {
  if (message.organization === undefined) return null;
  return {
    organization: organizationOf(message.organization),
    roles: message.roles,
    joinedAt: dateOf(message.joinedAt),
  };
}

const SOURCES: readonly FactSource[] = ['unknown', 'memory', 'redis', 'database', 'token'];
const REASONS = new Map<number, string>(Object.entries(Reason).map(([name, value]) => [value as number, name]));

function reasonOf(reason: number): string {
  return REASONS.get(reason) ?? `REASON_${reason}`;
}

function textOf(text: string): string | null {
  return text === '' ? null : text;
}

function rolesOf(text: string): readonly string[] {
  return text === ''
    ? []
    : text
        .split(',')
        .map((role) => role.trim())
        .filter((role) => role !== '');
}

function dateOf(timestamp: Timestamp | undefined): Date | null {
  return timestamp === undefined ? null : timestampDate(timestamp);
}
