/** The client's interface. Guards take this and nothing else, so that the fake and the in-process mode fit, too. */
import type {
  AllowedDecision,
  Decision,
  Membership,
  Organization,
  PermissionList,
  Target,
  User,
  VerifiedToken,
} from './types.ts';

/** Options of one call. */
export interface CallOptions {
  /** Ends the call; the signal's reason is thrown as it is. */
  readonly signal?: AbortSignal | undefined;
  /** The whole time of the call with its retries, in milliseconds; the client's `timeoutMs` when absent. */
  readonly timeoutMs?: number | undefined;
}

/** Options of one check. */
export interface CheckOptions extends CallOptions {
  /** `full` reads PostgreSQL for this call; `cached`, the default, takes facts from memory or Redis under the service's promise. */
  readonly consistency?: 'cached' | 'full' | undefined;
}

/**
 * A client of Assent. Every method throws `AssentError`: `UNAVAILABLE` when the answer cannot be known in time,
 * `MISCONFIGURED` for a fault of the caller's own, `INVALID` for a malformed id, `UNAUTHENTICATED` for a user's token that does
 * not verify. An aborted signal's reason passes through as it is. No error ever means yes.
 */
export interface Assent<Permission extends string = string> {
  /**
   * Whether the user may. It throws when the answer cannot be known, and never returns false for that.
   * @throws {AssentError} all codes but `DENIED`.
   */
  can(target: Target, permission: Permission, options?: CheckOptions): Promise<boolean>;
  /**
   * The whole decision, a denial included. With a token the principal is part of it: one round trip verifies and decides.
   * @throws {AssentError} all codes but `DENIED`.
   */
  check(target: Target, permission: Permission, options?: CheckOptions): Promise<Decision>;
  /**
   * The decision, when it allows.
   * @throws {AssentError} `DENIED` with the decision and its reason when it does not; otherwise as `check`.
   */
  require(target: Target, permission: Permission, options?: CheckOptions): Promise<AllowedDecision>;
  /**
   * Verifies a user's JWT. For a decision use `check` with the token, which verifies it in the same call.
   * @throws {AssentError} `UNAUTHENTICATED` with a reason that begins with `TOKEN_`; `UNAVAILABLE`; `MISCONFIGURED`.
   */
  verify(token: string, options?: CallOptions): Promise<VerifiedToken>;
  /** Every permission of the user in the scope. @throws {AssentError} as `check`. */
  permissions(target: Target, options?: CheckOptions): Promise<PermissionList<Permission>>;
  /** A user by id or e-mail address, read from PostgreSQL; null when there is none. @throws {AssentError} as `check`. */
  user(lookup: { readonly id: string } | { readonly email: string }, options?: CallOptions): Promise<User | null>;
  /** An organization by id or slug, read from PostgreSQL; null when there is none. @throws {AssentError} as `check`. */
  organization(
    lookup: { readonly id: string } | { readonly slug: string },
    options?: CallOptions,
  ): Promise<Organization | null>;
  /**
   * The memberships of a user, all pages, ordered by organization id; empty for an unknown user. Each page has the whole time
   * of a call. @throws {AssentError} as `check`.
   */
  organizations(userId: string, options?: CallOptions): Promise<readonly Membership[]>;
  /**
   * Resolves once a replica is connected and SERVING. A first call does not need it: it connects by itself.
   * @throws {AssentError} `UNAVAILABLE` when `timeoutMs` has passed.
   */
  ready(options?: CallOptions): Promise<void>;
  /** Ends all connections. Calls under way and later ones are `UNAVAILABLE` with the reason `CLIENT_CLOSED`. */
  close(): void;
  [Symbol.dispose](): void;
}
