/** A client without a service, for the tests of applications. */
import type { Assent } from './assent.ts';
import type { AssentError } from './errors.ts';
import type { Principal, Scope, Target } from './types.ts';

export interface FakeAssentOptions<Permission extends string = string> {
  /** The tokens that verify, and the users that they name. Any other token is `UNAUTHENTICATED` (`TOKEN_MALFORMED`). */
  readonly tokens?: Readonly<Record<string, Partial<Principal> & { readonly userId: string }>>;
  /** The users that may do something; nobody else may do anything. */
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
  failWith(error: AssentError | Error | null): void;
}

/**
 * A client that answers from what a test says: same argument checks, same errors, no network. A user without a grant is denied
 * with `NOT_A_MEMBER`, a member without the permission with `ROLE_LACKS_PERMISSION`.
 */
export function createFakeAssent<Permission extends string = string>(
  options: FakeAssentOptions<Permission> = {},
): FakeAssent<Permission> {
  throw new Error(`not yet: ${JSON.stringify(options)}`);
}
