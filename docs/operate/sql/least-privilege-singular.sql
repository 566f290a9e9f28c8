-- The role that Assent connects as: it may read these columns and nothing else. Not password hashes, not session tokens,
-- not private keys. Run it as the owner of the tables, with a password of your own; the demo and the tests run this file.
-- For Better Auth's default names: the tables user, member, organization and jwks. Plural names: least-privilege.sql.

DO $$
BEGIN
  CREATE ROLE assent LOGIN PASSWORD 'change me';
EXCEPTION
  -- Roles belong to the server, grants to the database: running this for a second database keeps the role.
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

GRANT USAGE ON SCHEMA public TO assent;

GRANT SELECT ("id", "name", "email", "emailVerified", "image", "createdAt", "updatedAt") ON "user" TO assent;
-- The admin plugin's columns.
GRANT SELECT ("role", "banned", "banReason", "banExpires") ON "user" TO assent;

-- The organization plugin's tables.
GRANT SELECT ("id", "name", "slug", "logo", "createdAt", "metadata") ON "organization" TO assent;
GRANT SELECT ("id", "organizationId", "userId", "role", "createdAt") ON "member" TO assent;

-- Only with dynamic access control.
DO $$
BEGIN
  IF to_regclass('"organizationRole"') IS NOT NULL THEN
    GRANT SELECT ("organizationId", "role", "permission") ON "organizationRole" TO assent;
  END IF;
END $$;

-- The jwt plugin's public keys; "privateKey" is left out.
GRANT SELECT ("id", "publicKey", "expiresAt", "alg", "crv") ON "jwks" TO assent;

-- For this role alone: with these settings the work of a role that writes would fail.
DO $$
DECLARE
  writable text;
BEGIN
  SELECT c.oid::regclass INTO writable FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
    AND (has_table_privilege('assent', c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
      OR has_any_column_privilege('assent', c.oid, 'INSERT, UPDATE') OR pg_has_role('assent', c.relowner, 'MEMBER'))
  LIMIT 1;
  IF writable IS NOT NULL THEN
    RAISE EXCEPTION 'the role assent can write to %: it is not one that only reads', writable;
  END IF;
  ALTER ROLE assent SET default_transaction_read_only = on;
  ALTER ROLE assent SET statement_timeout = '2s';
  ALTER ROLE assent SET idle_in_transaction_session_timeout = '2s';
  ALTER ROLE assent SET application_name = 'assent';
END $$;
