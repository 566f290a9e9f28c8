/** What the application's tokens say, whichever key signs them. */
import { SignJWT } from 'jose';
import pg from 'pg';
import { z } from 'zod';

/** The claims that Assent reads: docs/use/tokens.md. */
export interface TokenClaims {
  readonly userId: string;
  readonly email: string;
  readonly role: string;
  readonly organizationId?: string;
  readonly orgRole?: string;
  readonly isActive: boolean;
}

const rowSchema = z.object({
  email: z.string(),
  role: z.string().nullable(),
  banned: z.boolean().nullable(),
  memberRole: z.string().nullable(),
});

/**
 * Reads the claims of a user in an organization.
 * @throws when there is no such user.
 */
export const readClaims = async (
  pool: pg.Pool,
  tables: { readonly user: string; readonly member: string },
  userId: string,
  organizationId: string | null,
): Promise<TokenClaims> => {
  const { rows } = await pool.query(
    `SELECT email, role, banned AND ("banExpires" IS NULL OR "banExpires" > now()) AS banned,
       (SELECT string_agg(m.role, ',') FROM ${pg.escapeIdentifier(tables.member)} m
        WHERE m."userId" = u.id AND m."organizationId" = $2) AS "memberRole"
     FROM ${pg.escapeIdentifier(tables.user)} u WHERE id = $1`,
    [userId, organizationId],
  );
  const { email, role, banned, memberRole } = rowSchema.parse(rows[0]);
  return {
    userId,
    email,
    role: role ?? 'user',
    ...(organizationId === null || memberRole === null ? {} : { organizationId, orgRole: memberRole }),
    isActive: banned !== true,
  };
};

/**
 * Signs claims with Better Auth's own secret, which its jwt plugin cannot do.
 * @param lifetime As jose takes it, for example `15m`.
 */
export const signWithSecret = (claims: TokenClaims, secret: string, lifetime: string): Promise<string> =>
  new SignJWT({ ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuedAt()
    .setExpirationTime(lifetime)
    .sign(new TextEncoder().encode(secret));
