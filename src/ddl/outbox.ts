/** The outbox and its triggers, written for the names of one database. Pure; nothing here is ever run by Assent. */
import type { FieldColumn, ModelTable, Schema } from '../database/models.ts';
import { createRole } from './grants.ts';
import { quoteName, quoteTable, quoteText } from './quote.ts';

const OUTBOX = `-- Changes that no plugin of Better Auth sees (raw SQL, cascades, other programs) for Assent's relay (docs/operate/events.md):
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
${createRole('assent_relay')}
GRANT USAGE ON SCHEMA assent TO assent_relay;
GRANT SELECT, DELETE ON assent.outbox TO assent_relay;
`;

interface Watched {
  readonly table: Pick<ModelTable<never>, 'schema' | 'table' | 'relation'>;
  /** The events of an INSERT, an UPDATE and a DELETE. */
  readonly events: readonly [created: string, updated: string, deleted: string];
  readonly userId: FieldColumn | null;
  readonly organizationId: FieldColumn | null;
  /** Only updates of these are changes; of anything when empty. */
  readonly fields: readonly (FieldColumn | undefined)[];
}

/** What is printed for a relation that takes no such triggers, or whose rows change without them. */
const withoutTriggers = ({ table, events, userId, organizationId }: Watched): string | null => {
  const { kind, beneath } = table.relation ?? { kind: 'table', beneath: [] };
  const on = quoteTable(table);
  if (kind === 'foreign') {
    return `-- ${on} is a foreign table: its rows change on another server, where no trigger of this one fires. The changes of\n-- that server need an outbox and a relay there.\n`;
  }
  if (kind !== 'view') return null;
  const columns = [
    userId === null ? '' : "<its column with the user's id>",
    organizationId === null ? '' : "<its column with the organization's id>",
  ];
  // A row beneath is a part of the view's row: whatever happens to it, that one has changed.
  const call = `assent.record_change(${[events[1], events[1], events[1], ...columns].map(quoteText).join(', ')})`;
  const below = beneath.map(
    (one) => `-- CREATE TRIGGER assent_row AFTER INSERT OR UPDATE OR DELETE ON ${quoteTable(one)} FOR EACH ROW
--   EXECUTE FUNCTION ${call};
-- ALTER TABLE ${quoteTable(one)} ENABLE ALWAYS TRIGGER assent_row;
-- CREATE TRIGGER assent_truncate AFTER TRUNCATE ON ${quoteTable(one)} FOR EACH STATEMENT
--   EXECUTE FUNCTION assent.record_change();
-- ALTER TABLE ${quoteTable(one)} ENABLE ALWAYS TRIGGER assent_truncate;
`,
  );
  return `-- ${on} is a view, and PostgreSQL has no such triggers on views: put them on the tables beneath, and name their columns.
${below.join('')}`;
};

const triggers = (watched: Watched): string => {
  const comment = withoutTriggers(watched);
  if (comment !== null) return comment;
  const { table, events, userId, organizationId, fields } = watched;
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
};

/** The statements that make the outbox, its triggers on Better Auth's tables, and the relay's role. */
export const outboxSql = ({ user, organizations, organizationRole }: Schema): string => {
  const { id, role, banned, banExpires, email } = user.columns;
  const watched: Watched[] = [
    {
      table: user,
      // A new row is an update of nothing: somebody may have asked about the id before, and been told that there is none.
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
  return `${OUTBOX}\n${watched.map(triggers).join('\n')}\nCOMMIT;\n`;
};
