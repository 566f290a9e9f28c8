/** The outbox table in PostgreSQL, on its own connection and as its own role: the only place where Assent writes. */
import type { OutgoingEvent } from '@assent/event-contract';
import pg from 'pg';
import { z } from 'zod';
import { withTimeout } from '../with-timeout.ts';

/** An event with its place in the outbox. */
export interface OutboxRow {
  readonly place: string;
  readonly event: OutgoingEvent;
}

export interface Outbox {
  /** Takes the lock of the database's relay. False while another relay holds it. */
  claim(): Promise<boolean>;
  /** Reads rows that are committed and not removed, the oldest first. */
  read(limit: number): Promise<readonly OutboxRow[]>;
  /** Deletes rows. */
  remove(rows: readonly OutboxRow[]): Promise<void>;
  /** Resolves at the next commit that wrote to the outbox, after `timeoutMs`, or when `signal` aborts. */
  changed(timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Resolves when the connection has ended, with the error. */
  readonly ended: Promise<unknown>;
  close(): Promise<void>;
}

/** The advisory lock of all relays of a database. A session holds it until it ends. */
const LOCK = 'assent.outbox';
const TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 500;

const rowSchema = z.object({
  place: z.string(),
  id: z.string(),
  name: z.string(),
  occurredAt: z.string(),
  userId: z.string().nullable(),
  organizationId: z.string().nullable(),
});

/**
 * Ends the session of a relay that vanished without closing its connection. TCP would notice after a quarter of an hour, or
 * after two hours while nothing is committed. From version 14 on PostgreSQL ends a session that sends no statement for this
 * long; a relay at work always sends one earlier.
 */
const SET_IDLE_TIMEOUT = `SELECT set_config('idle_session_timeout', $1, false)
  WHERE current_setting('server_version_num')::int >= 140000`;

/**
 * Connects and listens for commits.
 * @param idleTimeoutMs The relay never pauses longer than this between two statements; PostgreSQL ends a session that does.
 * @throws when PostgreSQL is away, or refuses.
 */
export async function openOutbox(url: string, idleTimeoutMs: number): Promise<Outbox> {
  const client = new pg.Client({
    connectionString: url,
    application_name: 'assent-relay',
    keepAlive: true,
    connectionTimeoutMillis: TIMEOUT_MS,
    // The next poll fails when the server vanished without closing the connection.
    query_timeout: TIMEOUT_MS,
  });
  const ended = Promise.withResolvers<unknown>();
  client.on('error', ended.resolve);
  client.on('end', () => ended.resolve(new Error('the connection to PostgreSQL was closed')));
  let notified = Promise.withResolvers<void>();
  client.on('notification', () => notified.resolve());
  try {
    await client.connect();
    await client.query(SET_IDLE_TIMEOUT, [String(idleTimeoutMs)]);
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
      // The read sees every commit before it. The notification of a later one ends the next wait.
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
      // The caller reads the outbox in any case, so the reason for the end of the wait does not matter.
      await withTimeout(timeoutMs, notified.promise, () => new Error('no commit in time'), signal).catch(() => {});
    },
    ended: ended.promise,
    close: async () => {
      // end() waits for the server to close the connection, which a dead server never does.
      await withTimeout(CLOSE_TIMEOUT_MS, client.end(), () => new Error('the connection did not close in time')).catch(
        () => {},
      );
    },
  };
}
