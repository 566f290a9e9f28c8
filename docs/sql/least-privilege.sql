-- The role that Assent connects as: it may read these columns and nothing else. Not password hashes, not session tokens,
-- not private keys. Run it as the owner of the tables, with a password of your own; the demo and the tests run this file.
-- For the tables users, members, organizations and jwks. Better Auth's default names: least-privilege-singular.sql.

DO $$
BEGIN
  CREATE ROLE assent LOGIN PASSWORD 'change me';
EXCEPTION
  -- Roles belong to the server, grants to the database: running this for a second database keeps the role.
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

GRANT USAGE ON SCHEMA public TO assent;

GRANT SELECT ("id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt") ON "users" TO assent;
-- The admin plugin's columns.
GRANT SELECT ("role", "banned", "banReason", "banExpires") ON "users" TO assent;

-- The organization plugin's tables.
GRANT SELECT ("id", "name", "slug", "logo", "createdAt", "metadata") ON "organizations" TO assent;
GRANT SELECT ("id", "organizationId", "userId", "role", "createdAt") ON "members" TO assent;

-- Only with dynamic access control.
DO $$
BEGIN
  IF to_regclass('"organizationRole"') IS NOT NULL THEN
    GRANT SELECT ("organizationId", "role", "permission") ON "organizationRole" TO assent;
  END IF;
END $$;

-- The jwt plugin's public keys; "privateKey" is left out.
GRANT SELECT ("id", "publicKey", "expiresAt", "alg", "crv") ON "jwks" TO assent;
