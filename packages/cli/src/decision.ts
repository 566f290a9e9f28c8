/** A decision as the command line knows it, and as a person reads it. Pure. */

export interface Principal {
  readonly userId: string;
  readonly email: string;
  /** The active organization that the token names; empty when it names none. */
  readonly organizationId: string;
  readonly isActive: boolean;
  /** The application that acts for the user; empty when the user acts. */
  readonly clientId: string;
  readonly scopes: readonly string[];
}

export interface Decision {
  readonly allowed: boolean;
  /** As in the API, without `REASON_`. */
  readonly reason: string;
  readonly roles: readonly string[];
  readonly grantedBy: string;
  /** `MEMORY`, `REDIS`, `DATABASE` or `TOKEN`. */
  readonly source: string;
  readonly computedAt: Date | null;
  /** Null when the check named a user's id. */
  readonly principal: Principal | null;
}

/** Where a check is about; with `organization` null and not the platform, the active organization of the token. */
export interface Scope {
  readonly organization: string | null;
  readonly platform: boolean;
}

export interface Question {
  /** Null when a token names the user. */
  readonly user: string | null;
  readonly scope: Scope;
  readonly permission: string;
}

/** A line of an explanation. */
export type Row = readonly [label: string, text: string];

/**
 * Who asked, which roles from where, which grants, from which tier, how old.
 * @param now The time of the answer, which the age of the facts is counted to.
 */
export function explain(question: Question, decision: Decision, now: Date): readonly Row[] {
  return [
    ['who', who(question, decision)],
    ['where', where(question, decision)],
    ['roles', roles(question, decision)],
    [decision.allowed ? 'granted' : 'denied', why(question, decision)],
    ['facts', facts(decision, now)],
  ];
}

function who({ user }: Question, { principal }: Decision): string {
  if (principal === null) return `user ${user}, by id`;
  const email = principal.email === '' ? '' : ` (${principal.email})`;
  const acting =
    principal.clientId === ''
      ? ''
      : `; application ${principal.clientId} acts with the scopes ${listed(principal.scopes, 'none')}`;
  return `user ${principal.userId}${email}, by token${acting}`;
}

function where({ scope }: Question, { principal }: Decision): string {
  if (scope.platform) return 'the whole platform';
  if (scope.organization !== null) return `organization ${scope.organization}`;
  const active = principal?.organizationId ?? '';
  return active === ''
    ? 'no organization: the token names no active one'
    : `organization ${active}, active in the token`;
}

function roles({ scope }: Question, { roles: held, reason, source }: Decision): string {
  if (held.length > 0) return `${held.join(', ')}, of the user ${scope.platform ? 'on the platform' : 'as a member'}`;
  return source === 'TOKEN' || reason === 'USER_NOT_FOUND' ? 'not read' : 'none';
}

/** A sentence for every reason of the API. */
const REASONS: Readonly<Record<string, (permission: string, decision: Decision) => string>> = {
  ROLE_GRANTS: (permission, { grantedBy }) => `role ${grantedBy} of the organization grants ${permission}`,
  PLATFORM_ROLE_GRANTS: (permission, { grantedBy }) =>
    grantedBy === 'adminUserIds'
      ? `the policy names the user in adminUserIds, which grants ${permission}`
      : `role ${grantedBy} of the platform grants ${permission}`,
  ROLE_LACKS_PERMISSION: (permission) => `none of the roles grants ${permission}`,
  NOT_A_MEMBER: () => 'the user is not a member of the organization',
  USER_BANNED: () => 'the user is banned now',
  USER_INACTIVE: () => 'the token says that its user is not active',
  USER_NOT_FOUND: () => 'there is no such user',
  ORGANIZATION_NOT_FOUND: () => 'there is no such organization',
  NO_ORGANIZATION: () => 'no organization is named, and the token has no active one: give --organization or --platform',
  ORGANIZATIONS_NOT_ENABLED: () => "the database has no tables of Better Auth's organization plugin",
  UNKNOWN_PERMISSION: (permission) => `the policy knows no permission ${permission}: often a typing error`,
  SCOPE_LACKS_PERMISSION: (permission) => `the user may, but no scope of the access token has ${permission}`,
};

function why({ permission }: Question, decision: Decision): string {
  return `${REASONS[decision.reason]?.(permission, decision) ?? 'a reason that this version does not know'} (${decision.reason})`;
}

const SOURCES: Readonly<Record<string, string>> = {
  MEMORY: 'from the memory of the replica',
  REDIS: 'from Redis',
  DATABASE: 'from PostgreSQL',
};

function facts({ source, computedAt }: Decision, now: Date): string {
  if (source === 'TOKEN') return 'none read: the token alone decided';
  const from = SOURCES[source] ?? `from ${source}`;
  return computedAt === null ? from : `${from}, read ${age(now.getTime() - computedAt.getTime())} ago`;
}

/** A time in words, rounded up; clocks that differ never give less than 0 s. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}

function listed(items: readonly string[], none: string): string {
  return items.length === 0 ? none : items.join(', ');
}
