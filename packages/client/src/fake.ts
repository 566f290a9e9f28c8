/** A client without a service, for the tests of applications. */
import { checkedTarget, checkId, checkPermission, checkToken } from './arguments.ts';
import type { Assent } from './assent.ts';
import { allowed } from './create-assent.ts';
import { AssentError } from './errors.ts';
import type { Decision, Principal, Scope, Target } from './types.ts';

export interface FakeAssentOptions<Permission extends string = string> {
  /** The tokens that verify, and the users that they name. Any other token is `UNAUTHENTICATED` (`TOKEN_MALFORMED`). */
  readonly tokens?: Readonly<Record<string, Partial<Principal> & { readonly userId: string }>>;
  /** The users that may do something; other users may do nothing. */
  readonly grants?: readonly ({ readonly user: string; readonly permissions: readonly Permission[] } & Scope)[];
}

/** A check that the fake was asked. */
export interface FakeCheck {
  readonly target: Target;
  readonly permission: string;
}

export interface FakeAssent<Permission extends string = string> extends Assent<Permission> {
  /** The checks so far, in order. */
  readonly checks: readonly FakeCheck[];
  /** Lets a user do something from now on. */
  grant(user: string, scope: Scope, ...permissions: readonly Permission[]): void;
  /** Takes permissions away; all of the scope when none is named. */
  revoke(user: string, scope: Scope, ...permissions: readonly Permission[]): void;
  /** Every call fails with this error from now on; null ends it. */
  failWith(error: Error | null): void;
}

/**
 * A client that answers from the test's own grants: same argument checks, same errors, no network. A user without a grant is
 * denied with `NOT_A_MEMBER`, a member without the permission with `ROLE_LACKS_PERMISSION`.
 */
export function createFakeAssent<Permission extends string = string>(
  options: FakeAssentOptions<Permission> = {},
): FakeAssent<Permission> {
  const grants = new Map<string, Set<string>>();
  const checks: FakeCheck[] = [];
  let failure: Error | null = null;

  const grant: FakeAssent<Permission>['grant'] = (user, scope, ...permissions) => {
    const key = keyOf(user, scope.organization ?? null);
    grants.set(key, new Set([...(grants.get(key) ?? []), ...permissions]));
  };
  for (const { permissions, ...rest } of options.grants ?? []) grant(rest.user, rest as Scope, ...permissions);

  const principalOf = (token: string): Principal => {
    checkToken(token);
    const text = token.replace(/^Bearer /i, '');
    const known = Object.hasOwn(options.tokens ?? {}, text) ? options.tokens?.[text] : undefined;
    if (known === undefined) throw new AssentError('UNAUTHENTICATED', 'TOKEN_MALFORMED', 'the fake has no such token');
    return { ...NO_CLAIMS, ...known };
  };
  const resolve = (
    target: Target,
  ): { principal: Principal | null; held: Set<string> | undefined; isKnown: boolean } => {
    const { user, token, organization, platform } = checkedTarget(target);
    if (failure !== null) throw failure;
    const principal = token === null ? null : principalOf(token);
    const scope = platform ? null : (organization ?? principal?.organizationId ?? '');
    return { principal, held: grants.get(keyOf(user ?? principal?.userId ?? '', scope)), isKnown: scope !== '' };
  };
  const check: Assent<Permission>['check'] = async (target, permission, { signal } = {}): Promise<Decision> => {
    checkPermission(permission);
    signal?.throwIfAborted();
    checks.push({ target, permission });
    const { principal, held, isKnown } = resolve(target);
    const isAllowed = held?.has(permission) === true;
    const denial = isKnown ? (held === undefined ? 'NOT_A_MEMBER' : 'ROLE_LACKS_PERMISSION') : 'NO_ORGANIZATION';
    const grantedBy = isAllowed ? 'fake' : null;
    const [reason, roles] = [isAllowed ? 'ROLE_GRANTS' : denial, held === undefined ? [] : ['fake']];
    return { allowed: isAllowed, reason, roles, grantedBy, source: 'memory', computedAt: new Date(), principal };
  };
  const empty = async (): Promise<null> => {
    if (failure !== null) throw failure;
    return null;
  };

  return {
    checks,
    grant,
    revoke: (user, scope, ...permissions) => {
      const key = keyOf(user, scope.organization ?? null);
      if (permissions.length === 0) grants.delete(key);
      for (const permission of permissions) grants.get(key)?.delete(permission);
    },
    failWith: (error) => {
      failure = error;
    },
    check,
    can: async (target, permission, callOptions) => (await check(target, permission, callOptions)).allowed,
    require: async (target, permission, callOptions) =>
      allowed(await check(target, permission, callOptions), permission),
    verify: async (token) => {
      if (failure !== null) throw failure;
      return { principal: principalOf(token), issuedAt: null, expiresAt: new Date(Date.now() + 60_000) };
    },
    permissions: async (target) => {
      const { held } = resolve(target);
      const permissions = [...(held ?? [])].sort() as Permission[];
      const reason = held === undefined ? 'NOT_A_MEMBER' : 'ROLE_GRANTS';
      return {
        permissions,
        roles: held === undefined ? [] : ['fake'],
        reason,
        source: 'memory',
        computedAt: new Date(),
      };
    },
    user: empty,
    organization: empty,
    organizations: async (userId) => {
      checkId('user', userId);
      if (failure !== null) throw failure;
      return [];
    },
    ready: async () => void (await empty()),
    close: () => {},
    [Symbol.dispose]: () => {},
  };
}

const NO_CLAIMS: Omit<Principal, 'userId'> = {
  email: null,
  roles: [],
  organizationId: null,
  organizationRoles: [],
  isActive: true,
  clientId: null,
  scopes: [],
};

/** @param organization Null for the platform. */
function keyOf(user: string, organization: string | null): string {
  return JSON.stringify([user, organization]);
}
