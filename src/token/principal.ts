/** The principal of a token, and the interface of a token verifier. */

/** The bearer of a token, from its claims alone. The database may hold a ban that the token does not show. */
export interface Principal {
  /** Never empty. */
  readonly userId: string;
  /** Empty when the token has none; so are `role`, `organizationId` and `organizationRole`. */
  readonly email: string;
  /** For information: no role in a token grants anything. */
  readonly role: string;
  /** The active organization. */
  readonly organizationId: string;
  /** For information, as `role`. */
  readonly organizationRole: string;
  readonly isActive: boolean;
  /** The application that acts for the user by an access token; null when the user acts. */
  readonly client: Client | null;
}

/** An application that acts for a user within its scopes. */
export interface Client {
  /** Never empty. */
  readonly id: string;
  /** Each once. */
  readonly scopes: readonly string[];
}

/** A token that passed every check of `docs/use/tokens.md`. */
export interface VerifiedToken {
  readonly principal: Principal;
  /** Seconds since the epoch, maybe with a fraction; null when the token has none. */
  readonly issuedAt: number | null;
  /** Seconds since the epoch, maybe with a fraction; always in the future of the check. */
  readonly expiresAt: number;
}

/** Checks tokens. */
export interface TokenVerifier {
  /**
   * Returns synchronously when the key is in memory and its algorithm is fast. Then it throws instead of rejecting.
   * @param token A compact JWS, with or without `Bearer ` before it.
   * @throws AssentError with a TokenErrorCode when the token is refused, KEYS_UNAVAILABLE when there are no public keys to
   *   verify it.
   */
  verify(token: string): VerifiedToken | Promise<VerifiedToken>;
}

// RFC 9110 section 11.1: the scheme is case-insensitive, and one or more spaces follow it.
const SCHEME = /^bearer +/i;

/** Removes the `Bearer ` of a token that was copied from an HTTP header. Nothing else is trimmed. */
export function stripBearer(token: string): string {
  return token.replace(SCHEME, '');
}
