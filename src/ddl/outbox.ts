/** The outbox and its triggers, written for the names of one database. Pure: Assent prints this and never runs it. */
import type { FieldColumn, ModelTable, Schema } from '../database/models.ts';
import { createRole } from './grants.ts';
import { quoteName, quoteTable, quoteText } from './quote.ts';

/** A table whose changes become events. */
interface WatchedTable {
  readonly table: Pick<ModelTable<never>, 'schema' | 'table' | 'relation'>;
  /** The events of an INSERT, an UPDATE and a DELETE. */
  readonly events: readonly [created: string, updated: string, deleted: string];
  readonly userId: FieldColumn | null;
  readonly organizationId: FieldColumn | null;
  /** Only updates of these columns are changes; of any column when empty. */
  readonly fields: readonly (FieldColumn | undefined)[];
}

/** The statements that make the outbox, its triggers on Better Auth's tables, and the relay's role. */
export function outboxSql(schema: Schema): string {
  return `${OUTBOX}\n${watchedTables(schema).map(triggers).join('\n')}\nCOMMIT;\n`;
}

function watchedTables({ user, organizations, organizationRole }: Schema): readonly WatchedTable[] {
  const { id, role, banned, banExpires, email } = user.columns;
  const watched: WatchedTable[] = [
    {
      table: user,
      // A new row is an update: Assent may have cached before that there is no row with this id.
      events: ['user.updated', 'user.updated', 'user.deleted'],
      userId: id,
      organizationId: null,
      fields: [id, role, banned, banExpires, email],
    },
  ];
  if (organizations !== null) {
    const { organization, member } = organizations;
    const { userId, organizationId } = member.columns;
    watched.push(
      {
        table: organization,
        events: ['organization.updated', 'organization.updated', 'organization.deleted'],
        userId: null,
        organizationId: organization.columns.id,
        fields: [],
      },
      {
        table: member,
        events: ['member.added', 'member.role_changed', 'member.removed'],
        userId,
        organizationId,
        fields: [userId, organizationId, member.columns.role],
      },
    );
  }
  if (organizationRole !== null) {
    const { columns } = organizationRole;
    const event = 'organization_role.changed';
    watched.push({
      table: organizationRole,
      events: [event, event, event],
      userId: null,
      organizationId: columns.organizationId,
      fields: [columns.organizationId, columns.role, columns.permission],
    });
  }
  return watched;
}

function triggers(watched: WatchedTable): string {
  const { table, events, userId, organizationId, fields } = watched;
  if (table.relation?.kind === 'foreign') return foreignTableComment(watched);
  if (table.relation?.kind === 'view') return viewComment(watched);
  const on = quoteTable(table);
  const columns = [userId, organizationId].map((column) => column?.name ?? '');
  const call = `EXECUTE FUNCTION assent.record_change(${[...events, ...columns].map(quoteText).join(', ')})`;
  // As text: a column of type json has no equality.
  const changed = fields
    .filter((field) => field !== undefined)
    .map(({ name }) => `OLD.${quoteName(name)}::text IS DISTINCT FROM NEW.${quoteName(name)}::text`);
  const when = changed.length === 0 ? '' : `  WHEN (${changed.join('\n    OR ')})\n`;
  const each = [
    ['assent_row', `AFTER INSERT OR DELETE ON ${on} FOR EACH ROW\n  ${call}`],
    ['assent_update', `AFTER UPDATE ON ${on} FOR EACH ROW\n${when}  ${call}`],
    ['assent_truncate', `AFTER TRUNCATE ON ${on} FOR EACH STATEMENT\n  EXECUTE FUNCTION assent.record_change()`],
  ];
  // ALWAYS: also in sessions with session_replication_role = replica, as bulk loaders set it.
  return each
    .map(
      ([name, text]) =>
        `DROP TRIGGER IF EXISTS ${name} ON ${on};\nCREATE TRIGGER ${name} ${text};\nALTER TABLE ${on} ENABLE ALWAYS TRIGGER ${name};\n`,
    )
    .join('');
}

/** The rows of a foreign table change on another server, where no trigger of this one fires. */
function foreignTableComment({ table }: WatchedTable): string {
  return `-- ${quoteTable(table)} is a foreign table: its rows change on another server, where no trigger of this one fires. The changes of\n-- that server need an outbox and a relay there.\n`;
}

/** PostgreSQL has no such triggers on views; the tables beneath need them, and their columns are not known here. */
function viewComment({ table, events, userId, organizationId }: WatchedTable): string {
  const columns = [
    userId === null ? '' : "<its column with the user's id>",
    organizationId === null ? '' : "<its column with the organization's id>",
  ];
  // A row beneath is a part of the view's row, which any change of it updates.
  const call = `assent.record_change(${[events[1], events[1], events[1], ...columns].map(quoteText).join(', ')})`;
  const below = (table.relation?.beneath ?? []).map(
    (one) => `-- CREATE TRIGGER assent_row AFTER INSERT OR UPDATE OR DELETE ON ${quoteTable(one)} FOR EACH ROW
--   EXECUTE FUNCTION ${call};
-- ALTER TABLE ${quoteTable(one)} ENABLE ALWAYS TRIGGER assent_row;
-- CREATE TRIGGER assent_truncate AFTER TRUNCATE ON ${quoteTable(one)} FOR EACH STATEMENT
--   EXECUTE FUNCTION assent.record_change();
-- ALTER TABLE ${quoteTable(one)} ENABLE ALWAYS TRIGGER assent_truncate;
`,
  );
  return `-- ${quoteTable(table)} is a view, and PostgreSQL has no such triggers on views: put them on the tables beneath, and name their columns.
${below.join('')}`;
}

const OUTBOX = `-- Triggers write each change into an outbox, in the transaction that makes it, and Assent's relay publishes it
-- (docs/operate/events.md): for raw SQL, cascades and other programs, which no plugin of Better Auth sees. Run this as the
-- owner of the tables, with your own password, as often as you like. DROP SCHEMA assent CASCADE removes all of it.

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

-- Arguments: the events of an INSERT, an UPDATE and a DELETE, then the columns with the user's and the organization's id.
-- SECURITY DEFINER: a role that may change a table needs no right to the outbox.
CREATE OR REPLACE FUNCTION assent.record_change() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    INSERT INTO assent.outbox (name) VALUES ('resync');
  ELSE
    -- An update that gives a row to another user or organization is a change for both.
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
  -- PostgreSQL delivers it at the commit, once for a transaction.
  PERFORM pg_notify('assent_outbox', '');
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION assent.record_change() FROM PUBLIC;

-- The role of the relay. It may read the outbox and delete from it, and nothing else.
${createRole('assent_relay')}
GRANT USAGE ON SCHEMA assent TO assent_relay;
GRANT SELECT, DELETE ON assent.outbox TO assent_relay;
`;
