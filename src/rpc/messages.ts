/** From the domain's terms to the API's messages. Pure. */
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
 * The answers of the hot path, written out: a message of proto3 is a plain object with its name and all fields in it, which
 * `create` puts together field by field, at six times the cost. A test holds them against `create`.
 */
export const checkPermissionMessage = (
  { allowed, reason, roles, grantedBy }: Decision,
  source: DecisionSource,
  computedAt: number,
  principal: Principal | null,
): CheckPermissionResponse => {
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
};

export const batchResultMessage = (outcome: BatchCheckPermissionsResult['outcome']): BatchCheckPermissionsResult => ({
  $typeName: 'assent.auth.v1.BatchCheckPermissionsResult',
  outcome,
});

export const batchMessage = (results: BatchCheckPermissionsResult[]): BatchCheckPermissionsResponse => ({
  $typeName: 'assent.auth.v1.BatchCheckPermissionsResponse',
  results,
});

/**
 * A moment in milliseconds since the epoch, to the nearest microsecond, which is what PostgreSQL keeps. So the times that a
 * double can tell apart by the microsecond come out as they are stored (1830 to 2109); others are off by 16 us at most.
 */
export const timestampFromMillis = (milliseconds: number): Timestamp => {
  const whole = Math.floor(milliseconds);
  const seconds = Math.floor(whole / 1_000);
  // Not up to the next millisecond, which may be that of the next second.
  const micros = Math.min(Math.round((milliseconds - whole) * 1_000), 999);
  return {
    $typeName: 'google.protobuf.Timestamp',
    seconds: BigInt(seconds),
    nanos: (whole - seconds * 1_000) * 1_000_000 + micros * 1_000,
  };
};

export const principalMessage = ({ client, ...principal }: Principal): PrincipalMessage =>
  create(PrincipalSchema, { ...principal, clientId: client?.id ?? '', scopes: [...(client?.scopes ?? [])] });

/** A moment of a token, in seconds and maybe fractions of them. */
export const timestampFromSeconds = (seconds: number): Timestamp => {
  const whole = Math.floor(seconds);
  return create(TimestampSchema, { seconds: BigInt(whole), nanos: Math.floor((seconds - whole) * 1e9) });
};

// What a Timestamp can say: the years 1 to 9999. PostgreSQL can store more, for example infinity.
const MIN_MS = -62_135_596_800_000;
const MAX_MS = 253_402_300_799_999;
const storedTimestamp = (milliseconds: number): Timestamp =>
  timestampFromMillis(Math.min(Math.max(milliseconds, MIN_MS), MAX_MS));
/** The field of a time that may be absent. */
const timeField = <Name extends string>(name: Name, milliseconds: number | null): { [K in Name]?: Timestamp } =>
  milliseconds === null || Number.isNaN(milliseconds)
    ? {}
    : ({ [name]: storedTimestamp(milliseconds) } as { [K in Name]?: Timestamp });

/** A user at the moment `now`, in milliseconds since the epoch: a ban that has expired is not shown. */
export const userMessage = (user: UserRecord, defaultRole: string, now: number): User => {
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
};

export const organizationMessage = (organization: OrganizationRecord): Organization =>
  create(OrganizationSchema, {
    id: organization.id,
    name: organization.name,
    slug: organization.slug,
    logo: organization.logo ?? '',
    metadata: organization.metadata ?? '',
    ...timeField('createdAt', organization.createdAt),
  });

export const membershipMessage = (membership: MembershipRecord): Membership =>
  create(MembershipSchema, {
    organization: organizationMessage(membership.organization),
    roles: [...membership.roles],
    ...timeField('joinedAt', membership.joinedAt),
  });
