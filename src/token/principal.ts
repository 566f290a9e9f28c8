/** What a token says about its bearer, and the promise of whoever checks one. */

/** The bearer of a token, from its claims alone: the database may know of a ban that no token tells. */
export interface Principal {
  /** Never empty. */
  readonly userId: string;
  /** Empty when the token does not say; so are `role`, `organizationId` and `organizationRole`. */
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

/** An application that may do for a user no more than its scopes stand for. */
export interface Client {
  /** Never empty. */
  readonly id: string;
  /** Each once. */
  readonly scopes: readonly string[];
}

/** A token that passed every check of `docs/use/tokens.md`. */
export interface VerifiedToken {
  readonly principal: Principal;
  /** Seconds since the epoch, maybe with a fraction; null when the token does not say. */
  readonly issuedAt: number | null;
  /** Seconds since the epoch, maybe with a fraction; the token was refused if this had come. */
  readonly expiresAt: number;
}

/** Checks tokens. */
export interface TokenVerifier {
  /**
   * At once where the key is here and its algorithm cheap; then it throws instead of rejecting.
   * @param token A compact JWS, with or without `Bearer ` before it.
   * @throws AssentError with a TokenErrorCode when the token is refused, KEYS_UNAVAILABLE when there are no public keys
   *   to judge it by.
   */
  verify(token: string): VerifiedToken | Promise<VerifiedToken>;
}

// RFC 9110 section 11.1: the scheme is case-insensitive, and one or more spaces follow it.
const SCHEME = /^bearer +/i;

/** The token without the `Bearer ` that it may carry when it was copied from an HTTP header. Nothing else is trimmed. */
export const stripBearer = (token: string): string => token.replace(SCHEME, '');
