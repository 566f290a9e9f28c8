/** Responses: from the domain's terms to the messages of the API. Pure. */
import { create } from '@bufbuild/protobuf';
import { type Timestamp, TimestampSchema } from '@bufbuild/protobuf/wkt';
import {
  type BatchCheckPermissionsResponse,
  type BatchCheckPermissionsResult,
  type CheckPermissionResponse,
  type Membership,
  MembershipSchema,
  type Organization,
  OrganizationSchema,
  type Principal as PrincipalMessage,
  PrincipalSchema,
  Reason,
  Source,
  type User,
  UserSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { MembershipRecord, OrganizationRecord } from '../database/organizations.ts';
import type { UserRecord } from '../database/users.ts';
import type { Decision, DecisionReason } from '../policy/decide.ts';
import { isBanned } from '../policy/decide.ts';
import type { Principal } from '../token/principal.ts';
import type { DecisionSource } from './services.ts';

/** The domain's reasons as the API's. */
export const reasonMessage: Readonly<Record<DecisionReason, Reason>> = {
  ROLE_GRANTS: Reason.ROLE_GRANTS,
  PLATFORM_ROLE_GRANTS: Reason.PLATFORM_ROLE_GRANTS,
  ROLE_LACKS_PERMISSION: Reason.ROLE_LACKS_PERMISSION,
  NOT_A_MEMBER: Reason.NOT_A_MEMBER,
  USER_BANNED: Reason.USER_BANNED,
  USER_INACTIVE: Reason.USER_INACTIVE,
  USER_NOT_FOUND: Reason.USER_NOT_FOUND,
  ORGANIZATION_NOT_FOUND: Reason.ORGANIZATION_NOT_FOUND,
  NO_ORGANIZATION: Reason.NO_ORGANIZATION,
  ORGANIZATIONS_NOT_ENABLED: Reason.ORGANIZATIONS_NOT_ENABLED,
  UNKNOWN_PERMISSION: Reason.UNKNOWN_PERMISSION,
  SCOPE_LACKS_PERMISSION: Reason.SCOPE_LACKS_PERMISSION,
};

/** The domain's sources as the API's. */
export const sourceMessage: Readonly<Record<DecisionSource, Source>> = {
  memory: Source.MEMORY,
  redis: Source.REDIS,
  database: Source.DATABASE,
  token: Source.TOKEN,
};

/**
 * The response of CheckPermission, as an object literal. A message of proto3 is a plain object with its name and all of its
 * fields; `create` assembles it field by field, at six times the cost. A test compares the literals with `create`.
 */
export function checkPermissionMessage(
  { allowed, reason, roles, grantedBy }: Decision,
  source: DecisionSource,
  computedAt: number,
  principal: Principal | null,
): CheckPermissionResponse {
  const message: CheckPermissionResponse = {
    $typeName: 'assent.auth.v1.CheckPermissionResponse',
    allowed,
    reason: reasonMessage[reason],
    roles: roles.slice(),
    grantedBy,
    source: sourceMessage[source],
    computedAt: timestampFromMillis(computedAt),
  };
  if (principal !== null) message.principal = principalMessage(principal);
  return message;
}

export function batchResultMessage(outcome: BatchCheckPermissionsResult['outcome']): BatchCheckPermissionsResult {
  return { $typeName: 'assent.auth.v1.BatchCheckPermissionsResult', outcome };
}

export function batchMessage(results: BatchCheckPermissionsResult[]): BatchCheckPermissionsResponse {
  return { $typeName: 'assent.auth.v1.BatchCheckPermissionsResponse', results };
}

/**
 * Converts milliseconds since the epoch, to the nearest microsecond, which is the resolution of PostgreSQL. From 1830 to 2109 a
 * double tells microseconds apart, and the result is exactly the stored time; other times are off by 16 us at most.
 */
export function timestampFromMillis(milliseconds: number): Timestamp {
  const whole = Math.floor(milliseconds);
  const seconds = Math.floor(whole / 1_000);
  // Never rounded up to the next millisecond, which may belong to the next second.
  const micros = Math.min(Math.round((milliseconds - whole) * 1_000), 999);
  return {
    $typeName: 'google.protobuf.Timestamp',
    seconds: BigInt(seconds),
    nanos: (whole - seconds * 1_000) * 1_000_000 + micros * 1_000,
  };
}

export function principalMessage({ client, ...principal }: Principal): PrincipalMessage {
  return create(PrincipalSchema, { ...principal, clientId: client?.id ?? '', scopes: [...(client?.scopes ?? [])] });
}

/** Converts a time of a token, in seconds that may have a fraction. */
export function timestampFromSeconds(seconds: number): Timestamp {
  const whole = Math.floor(seconds);
  return create(TimestampSchema, { seconds: BigInt(whole), nanos: Math.floor((seconds - whole) * 1e9) });
}

/** A user at the time `now`, in milliseconds since the epoch: an expired ban is left out. */
export function userMessage(user: UserRecord, defaultRole: string, now: number): User {
  const banned = isBanned(user.ban, now);
  const until = user.ban?.until ?? null;
  return create(UserSchema, {
    id: user.id,
    name: user.name,
    email: user.email,
    emailVerified: user.emailVerified,
    image: user.image ?? '',
    roles: user.roles.length === 0 ? [defaultRole] : [...user.roles],
    banned,
    banReason: banned ? (user.banReason ?? '') : '',
    ...timeField('banExpiresAt', banned ? until : null),
    ...timeField('createdAt', user.createdAt),
    ...timeField('updatedAt', user.updatedAt),
  });
}

export function organizationMessage(organization: OrganizationRecord): Organization {
  return create(OrganizationSchema, {
    id: organization.id,
    name: organization.name,
    slug: organization.slug,
    logo: organization.logo ?? '',
    metadata: organization.metadata ?? '',
    ...timeField('createdAt', organization.createdAt),
  });
}

export function membershipMessage(membership: MembershipRecord): Membership {
  return create(MembershipSchema, {
    organization: organizationMessage(membership.organization),
    roles: [...membership.roles],
    ...timeField('joinedAt', membership.joinedAt),
  });
}

/** The field of a time that may be absent. */
function timeField<Name extends string>(name: Name, milliseconds: number | null): { [K in Name]?: Timestamp } {
  if (milliseconds === null || Number.isNaN(milliseconds)) return {};
  const time = timestampFromMillis(Math.min(Math.max(milliseconds, MIN_MS), MAX_MS));
  return { [name]: time } as { [K in Name]?: Timestamp };
}

// The range of a Timestamp: the years 1 to 9999. PostgreSQL can store other times, for example infinity.
const MIN_MS = -62_135_596_800_000;
const MAX_MS = 253_402_300_799_999;
