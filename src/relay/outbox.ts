/** The outbox table in PostgreSQL, on a connection and as a role of its own: the one place of Assent that writes. */
import pg from 'pg';
import { z } from 'zod';
import type { OutgoingEvent } from '../events/publisher.ts';
import { withTimeout } from '../with-timeout.ts';

/** An event with its place in the outbox. */
export interface OutboxRow {
  readonly place: string;
  readonly event: OutgoingEvent;
}

export interface Outbox {
  /** Makes this the one relay that publishes; false while another one is. */
  claim(): Promise<boolean>;
  /** What was committed and not removed, the oldest first. */
  read(limit: number): Promise<readonly OutboxRow[]>;
  remove(rows: readonly OutboxRow[]): Promise<void>;
  /** Resolves at the next commit that wrote to the outbox, or after `timeoutMs`. */
  changed(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Settles when the connection is gone. */
  readonly gone: Promise<unknown>;
  close(): Promise<void>;
}

/** Of all relays of a database; a session holds it, and it is free once that has ended. */
const LOCK = 'assent.outbox';
const TIMEOUT_MS = 5_000;
const FAREWELL_MS = 500;

const rowSchema = z.object({
  place: z.string(),
  id: z.string(),
  name: z.string(),
  occurredAt: z.string(),
  userId: z.string().nullable(),
  organizationId: z.string().nullable(),
});

/**
 * PostgreSQL would learn of a holder that vanished without a word from TCP: in a quarter of an hour, or in two hours while
 * nothing is committed. From version 14 on it can end a session that asks nothing, as a relay at work never does.
 */
const END_OF_SILENCE = `SELECT set_config('idle_session_timeout', $1, false)
  WHERE current_setting('server_version_num')::int >= 140000`;

/**
 * Connects and listens for commits.
 * @param silenceMs For longer than this the relay leaves no session without a word; PostgreSQL ends one that is.
 * @throws when PostgreSQL is away, or refuses.
 */
export const openOutbox = async (url: string, silenceMs: number): Promise<Outbox> => {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'assent-relay',
    keepAlive: true,
    connectionTimeoutMillis: TIMEOUT_MS,
    // A server that vanished without a word fails the next poll.
    query_timeout: TIMEOUT_MS,
  });
  const gone = Promise.withResolvers<unknown>();
  client.on('error', gone.resolve);
  client.on('end', () => gone.resolve(new Error('the connection to PostgreSQL was closed')));
  let notified = Promise.withResolvers<void>();
  client.on('notification', () => notified.resolve());
  try {
    await client.connect();
    await client.query(END_OF_SILENCE, [String(silenceMs)]);
    await client.query('LISTEN assent_outbox');
  } catch (error) {
    await client.end().catch(() => {});
    throw error;
  }
  return {
    claim: async () => {
      const { rows } = await client.query('SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS held', [LOCK]);
      return rows[0]?.held === true;
    },
    read: async (limit) => {
      // Commits before this read are in it; a notification of one that comes later is not lost.
      notified = Promise.withResolvers<void>();
      const { rows } = await client.query(
        `SELECT id::text AS place, event_id::text AS id, name, user_id AS "userId", organization_id AS "organizationId",
           to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS "occurredAt"
         FROM assent.outbox ORDER BY outbox.id LIMIT $1`,
        [limit],
      );
      return rows.map((row) => {
        const { place, ...event } = rowSchema.parse(row);
        return { place, event };
      });
    },
    remove: async (rows) => {
      await client.query('DELETE FROM assent.outbox WHERE id = ANY($1::bigint[])', [rows.map(({ place }) => place)]);
    },
    changed: async (timeoutMs, signal) => {
      // Whatever ends the wait: its caller looks.
      await withTimeout(timeoutMs, notified.promise, () => new Error('no commit in time'), signal).catch(() => {});
    },
    gone: gone.promise,
    close: async () => {
      // end() waits for a farewell that a dead server never sends.
      await withTimeout(FAREWELL_MS, client.end(), () => new Error('no farewell in time')).catch(() => {});
    },
  };
};
