/** The data that the kit takes and returns. */

/** The user that a check is about: by id, of a user that the caller has authenticated itself, or by the user's own JWT. */
export type Subject = UserSubject | TokenSubject;

export interface UserSubject {
  /** The user's id, 1 to 512 bytes of UTF-8. */
  readonly user: string;
  readonly token?: never;
}

export interface TokenSubject {
  /** The user's JWT, with or without `Bearer ` before it; at most 8,192 bytes. */
  readonly token: string;
  readonly user?: never;
}

/** Where a user wants to do something: in an organization, or on the whole platform. */
export type Scope = OrganizationScope | PlatformScope;

export interface OrganizationScope {
  /** The organization's id, 1 to 512 bytes of UTF-8. An empty or undefined one is `MISCONFIGURED`: it never means another one. */
  readonly organization: string;
  readonly platform?: never;
}

export interface PlatformScope {
  /** The whole platform: only platform roles count. */
  readonly platform: true;
  readonly organization?: never;
}

/** The active organization of the token: neither key is there. */
export interface ActiveOrganizationScope {
  readonly organization?: never;
  readonly platform?: never;
}

/**
 * Who wants to do something, and where: `{ user, organization }`, `{ token, organization }`, `{ token }` (the active
 * organization of the token), `{ user, platform: true }` or `{ token, platform: true }`.
 */
export type Target = (Subject & Scope) | (TokenSubject & ActiveOrganizationScope);

/** The user that a token names. `roles` and `organizationRoles` are claims: they never grant anything. */
export interface Principal {
  readonly userId: string;
  /** Null when the token has none. */
  readonly email: string | null;
  /** The platform roles, from the token. */
  readonly roles: readonly string[];
  /** The active organization; null when there is none. */
  readonly organizationId: string | null;
  /** The roles in the active organization, from the token. */
  readonly organizationRoles: readonly string[];
  /** False denies every permission. */
  readonly isActive: boolean;
  /** The application that acts for the user, of an access token; null when the user acts. */
  readonly clientId: string | null;
  /** The scopes of an access token; empty for other tokens. */
  readonly scopes: readonly string[];
}

/** The text of a newer service's reason is there, too, so that a `switch` needs a `default`. */
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
  | 'SCOPE_LACKS_PERMISSION'
  | (string & {});

/** Where the facts behind an answer came from; `token`: the token alone decided. */
export type FactSource = 'memory' | 'redis' | 'database' | 'token' | 'unknown';

/** The answer to a check, with all that explains it. */
export interface Decision {
  /** Nothing but true allows. */
  readonly allowed: boolean;
  /** The service's `Reason` without its prefix; of a newer service `REASON_` and its number. */
  readonly reason: DecisionReason;
  /** The user's roles in the scope of the check. */
  readonly roles: readonly string[];
  /** The role that grants it, or `adminUserIds`; null when denied. */
  readonly grantedBy: string | null;
  readonly source: FactSource;
  /** When the facts were read from PostgreSQL; with source `token`, when the decision was made. */
  readonly computedAt: Date;
  /** The user that the token names; null when the check named a user id. */
  readonly principal: Principal | null;
}

/** A decision that allows, as `require` returns it. */
export interface AllowedDecision extends Decision {
  readonly allowed: true;
}

/** A verified token. It shows no ban and no role in the database: for a decision, use `check`. */
export interface VerifiedToken {
  readonly principal: Principal;
  /** Null when the token has no `iat`. */
  readonly issuedAt: Date | null;
  readonly expiresAt: Date;
}

/** Every permission of a user in a scope. */
export interface PermissionList<Permission extends string = string> {
  /** Sorted, each once. A wildcard of the policy stands as every pair that it covers and as the pattern itself (`data:*`). */
  readonly permissions: readonly Permission[];
  readonly roles: readonly string[];
  /** Why there are permissions, or none. */
  readonly reason: DecisionReason;
  readonly source: FactSource;
  readonly computedAt: Date;
}

/** A user as stored in Better Auth. */
export interface User {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly emailVerified: boolean;
  /** The address of a picture. */
  readonly image: string | null;
  /** The platform roles. */
  readonly roles: readonly string[];
  /** At the time of the answer: a ban that has expired does not count. */
  readonly banned: boolean;
  readonly banReason: string | null;
  /** Null when the user is not banned, or banned without end. */
  readonly banExpiresAt: Date | null;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
}

/** An organization as stored in Better Auth. */
export interface Organization {
  readonly id: string;
  readonly name: string;
  readonly slug: string;
  /** The address of a logo. */
  readonly logo: string | null;
  /** The application's JSON as text, exactly as stored. */
  readonly metadata: string | null;
  readonly createdAt: Date | null;
}

/** A user's membership in one organization. */
export interface Membership {
  readonly organization: Organization;
  readonly roles: readonly string[];
  readonly joinedAt: Date | null;
}
