-- Changes that no plugin of Better Auth sees (raw SQL, cascades, other programs) for Assent's relay (docs/operate/events.md):
-- triggers write what changed into an outbox, in the transaction that changed it. Run it as the owner of the tables, with
-- a password of your own, once more whenever you like; DROP SCHEMA assent CASCADE takes all of it away again.

BEGIN;

CREATE SCHEMA IF NOT EXISTS assent;

CREATE TABLE IF NOT EXISTS assent.outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL DEFAULT gen_random_uuid(),
  occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  name text NOT NULL,
  user_id text,
  organization_id text
);

-- Arguments: the event of an INSERT, an UPDATE and a DELETE, then the columns with the user's and the organization's id.
-- As its owner, so that whoever may change a table need not be allowed to write here.
CREATE OR REPLACE FUNCTION assent.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO assent.outbox (name) VALUES ('resync');
  ELSE
    -- An update that makes a row be about somebody else is a change for both.
    INSERT INTO assent.outbox (name, user_id, organization_id)
    SELECT DISTINCT
      CASE TG_OP WHEN 'INSERT' THEN TG_ARGV[0] WHEN 'UPDATE' THEN TG_ARGV[1] ELSE TG_ARGV[2] END,
      changed.fields ->> TG_ARGV[3],
      changed.fields ->> TG_ARGV[4]
    FROM (VALUES
      (CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END),
      (CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END)
    ) AS changed (fields)
    WHERE changed.fields IS NOT NULL;
  END IF;
  -- Delivered at the commit, once a transaction.
  PERFORM pg_notify('assent_outbox', '');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION assent.record_change() FROM PUBLIC;

-- The role of the relay: it may read the outbox and delete from it, and nothing else.
DO $$
BEGIN
  CREATE ROLE assent_relay LOGIN PASSWORD 'change me';
EXCEPTION
  -- Roles belong to the server, grants to the database: running this for a second database keeps the role.
  WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

GRANT USAGE ON SCHEMA assent TO assent_relay;
GRANT SELECT, DELETE ON assent.outbox TO assent_relay;

DROP TRIGGER IF EXISTS assent_row ON "public"."users";
CREATE TRIGGER assent_row AFTER INSERT OR DELETE ON "public"."users" FOR EACH ROW
  EXECUTE FUNCTION assent.record_change('user.updated', 'user.updated', 'user.deleted', 'id', '');
ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER assent_row;
DROP TRIGGER IF EXISTS assent_update ON "public"."users";
CREATE TRIGGER assent_update AFTER UPDATE ON "public"."users" FOR EACH ROW
  WHEN (OLD."id"::text IS DISTINCT FROM NEW."id"::text
    OR OLD."role"::text IS DISTINCT FROM NEW."role"::text
    OR OLD."banned"::text IS DISTINCT FROM NEW."banned"::text
    OR OLD."banExpires"::text IS DISTINCT FROM NEW."banExpires"::text
    OR OLD."email"::text IS DISTINCT FROM NEW."email"::text)
  EXECUTE FUNCTION assent.record_change('user.updated', 'user.updated', 'user.deleted', 'id', '');
ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER assent_update;
DROP TRIGGER IF EXISTS assent_truncate ON "public"."users";
CREATE TRIGGER assent_truncate AFTER TRUNCATE ON "public"."users" FOR EACH STATEMENT
  EXECUTE FUNCTION assent.record_change();
ALTER TABLE "public"."users" ENABLE ALWAYS TRIGGER assent_truncate;

DROP TRIGGER IF EXISTS assent_row ON "public"."organizations";
CREATE TRIGGER assent_row AFTER INSERT OR DELETE ON "public"."organizations" FOR EACH ROW
  EXECUTE FUNCTION assent.record_change('organization.updated', 'organization.updated', 'organization.deleted', '', 'id');
ALTER TABLE "public"."organizations" ENABLE ALWAYS TRIGGER assent_row;
DROP TRIGGER IF EXISTS assent_update ON "public"."organizations";
CREATE TRIGGER assent_update AFTER UPDATE ON "public"."organizations" FOR EACH ROW
  EXECUTE FUNCTION assent.record_change('organization.updated', 'organization.updated', 'organization.deleted', '', 'id');
ALTER TABLE "public"."organizations" ENABLE ALWAYS TRIGGER assent_update;
DROP TRIGGER IF EXISTS assent_truncate ON "public"."organizations";
CREATE TRIGGER assent_truncate AFTER TRUNCATE ON "public"."organizations" FOR EACH STATEMENT
  EXECUTE FUNCTION assent.record_change();
ALTER TABLE "public"."organizations" ENABLE ALWAYS TRIGGER assent_truncate;

DROP TRIGGER IF EXISTS assent_row ON "public"."members";
CREATE TRIGGER assent_row AFTER INSERT OR DELETE ON "public"."members" FOR EACH ROW
  EXECUTE FUNCTION assent.record_change('member.added', 'member.role_changed', 'member.removed', 'userId', 'organizationId');
ALTER TABLE "public"."members" ENABLE ALWAYS TRIGGER assent_row;
DROP TRIGGER IF EXISTS assent_update ON "public"."members";
CREATE TRIGGER assent_update AFTER UPDATE ON "public"."members" FOR EACH ROW
  WHEN (OLD."userId"::text IS DISTINCT FROM NEW."userId"::text
    OR OLD."organizationId"::text IS DISTINCT FROM NEW."organizationId"::text
    OR OLD."role"::text IS DISTINCT FROM NEW."role"::text)
  EXECUTE FUNCTION assent.record_change('member.added', 'member.role_changed', 'member.removed', 'userId', 'organizationId');
ALTER TABLE "public"."members" ENABLE ALWAYS TRIGGER assent_update;
DROP TRIGGER IF EXISTS assent_truncate ON "public"."members";
CREATE TRIGGER assent_truncate AFTER TRUNCATE ON "public"."members" FOR EACH STATEMENT
  EXECUTE FUNCTION assent.record_change();
ALTER TABLE "public"."members" ENABLE ALWAYS TRIGGER assent_truncate;

DROP TRIGGER IF EXISTS assent_row ON "public"."organizationRoles";
CREATE TRIGGER assent_row AFTER INSERT OR DELETE ON "public"."organizationRoles" FOR EACH ROW
  EXECUTE FUNCTION assent.record_change('organization_role.changed', 'organization_role.changed', 'organization_role.changed', '', 'organizationId');
ALTER TABLE "public"."organizationRoles" ENABLE ALWAYS TRIGGER assent_row;
DROP TRIGGER IF EXISTS assent_update ON "public"."organizationRoles";
CREATE TRIGGER assent_update AFTER UPDATE ON "public"."organizationRoles" FOR EACH ROW
  WHEN (OLD."organizationId"::text IS DISTINCT FROM NEW."organizationId"::text
    OR OLD."role"::text IS DISTINCT FROM NEW."role"::text
    OR OLD."permission"::text IS DISTINCT FROM NEW."permission"::text)
  EXECUTE FUNCTION assent.record_change('organization_role.changed', 'organization_role.changed', 'organization_role.changed', '', 'organizationId');
ALTER TABLE "public"."organizationRoles" ENABLE ALWAYS TRIGGER assent_update;
DROP TRIGGER IF EXISTS assent_truncate ON "public"."organizationRoles";
CREATE TRIGGER assent_truncate AFTER TRUNCATE ON "public"."organizationRoles" FOR EACH STATEMENT
  EXECUTE FUNCTION assent.record_change();
ALTER TABLE "public"."organizationRoles" ENABLE ALWAYS TRIGGER assent_truncate;

COMMIT;
