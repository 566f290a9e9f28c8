/** slonik's way to PostgreSQL: connections of pg that only read, and only on a primary. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Client, type QueryResult } from 'pg';

import { createDriverFactory, type DriverFactory } from 'slonik';
import { withTimeout } from '../with-timeout.ts';
import { cancelKeyOf, cancelStatement } from './cancel.ts';
import { createPreparedStatements } from './prepared-statements.ts';
import { createReadOnlyQuery, type ParsedStatements, type ReadOnlyStatement } from './read-only-query.ts';

/** The server is a standby: it may lag, and would bring back what was revoked. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError';
  override readonly message =
    'DATABASE_URL names a server in recovery (a standby): Assent reads the primary only, since a replica that lags brings back what was revoked.';
}

/**
 * Looks at a session when its connection is made: whether the server is a standby, and whether a pooler is on the way that
 * leaves prepared statements behind in sessions which others are given. Poolers have cancel keys of their own, and those that
 * keep prepared statements for each client give them names of their own.
 */
const LOOK_NAME = 'assent_look';
const LOOK = `SELECT pg_is_in_recovery() AS standby, pg_backend_pid() AS pid,
  EXISTS (SELECT FROM pg_prepared_statements WHERE name = '${LOOK_NAME}') AS named`;

/** PostgreSQL did not answer in time. */
export const databaseTimeout = (): Error => new Error('timeout waiting for PostgreSQL');

/** What a statement that was given up has to be cancelled within, on the server; less than slonik waits for an end. */
const CANCEL_MS = 400;

/** The caller of the statement that is being sent: aborted once nobody waits for its rows. */
export const caller = new AsyncLocalStorage<AbortSignal>();

/** pg verifies the server with either and warns that `require` will mean less in its next version. */
export const verifying = (url: string): string => url.replace(/([?&]sslmode=)require(?=&|$)/, '$1verify-full');

export interface ReadOnlyDriverOptions {
  /** A PostgreSQL connection URI. */
  readonly url: string;
  /** Bound on making a connection and on one statement, the setup's included, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** Called once, when it shows that the connections keep no prepared statements. */
  readonly onUnprepared: () => void;
}

/**
 * In place of slonik's own driver: that one asks for types on a connection whose errors nobody hears, sets a session up only
 * through interceptors, which cannot tell a new session from one that was used before, and prepares no statements.
 */
export const readOnlyDriver = ({ url, statementTimeoutMs, onUnprepared }: ReadOnlyDriverOptions): DriverFactory =>
  createDriverFactory(async () => {
    const prepared = createPreparedStatements(onUnprepared);
    return {
      createPoolClient: async ({ clientEventEmitter }) => {
        // No name of the application: PgBouncer leaves it in the session for clients that give none.
        const client = new Client({
          connectionString: verifying(url),
          connectionTimeoutMillis: statementTimeoutMs,
        });
        client.on('error', (error) => {
          // slonik stops listening when it drops a connection, and one that is being closed may still fail.
          if (clientEventEmitter.listenerCount('error') > 0) clientEventEmitter.emit('error', error);
        });
        const parsed: ParsedStatements = new Set();
        // By a callback of our own: the one that pg makes for a promise is stored in a property, and would keep what a read
        // brought until the next full collection of garbage (docs/operate/performance.md, "dead streams").
        const ask = (
          statement: Pick<ReadOnlyStatement, 'name' | 'text' | 'values'>,
          forget = false,
        ): Promise<QueryResult> =>
          new Promise((resolve, reject) => {
            const settle = (error: Error | null, result?: QueryResult): void => {
              if (error || result === undefined) reject(error);
              else resolve(result);
            };
            client.query(createReadOnlyQuery({ ...statement, timeoutMs: statementTimeoutMs, forget }, parsed, settle));
          });
        const send = async (text: string, values: readonly unknown[]) => {
          const name = prepared.nameOf(text);
          if (name === null) return ask({ name, text, values });
          try {
            return await ask({ name, text, values });
          } catch (error) {
            if (!prepared.refused(error)) throw error;
            return ask({ name: null, text, values });
          }
        };
        let cancelled: Promise<unknown> = Promise.resolve();
        /** Waits for a statement, and cancels it on the server when it is given up. */
        const bounded = async <T>(statement: Promise<T>): Promise<T> => {
          let settled = false;
          const done = statement.finally(() => {
            settled = true;
          });
          try {
            return await withTimeout(statementTimeoutMs, done, databaseTimeout, caller.getStore());
          } catch (error) {
            if (!settled) {
              // Until it has ended, since a pooler forgets whose statement it was once the client is gone.
              const ended = done.catch(() => {});
              cancelled = Promise.all([
                cancelStatement(client, CANCEL_MS),
                withTimeout(CANCEL_MS, ended, databaseTimeout),
              ]).catch(() => {});
            }
            throw error;
          }
        };
        return {
          connect: async () => {
            await client.connect();
            try {
              // Bounded: a connection that fell silent by now would hold its place in the pool for good.
              const { rows } = await bounded(ask({ name: LOOK_NAME, text: LOOK, values: [] }, true));
              const [look] = rows;
              if (look?.standby !== false) throw new RecoveryError();
              if (look.named && look.pid !== cancelKeyOf(client)?.processID) prepared.stop();
            } catch (error) {
              void cancelled.then(() => client.end()).catch(() => {});
              throw error;
            }
          },
          end: async () => {
            await cancelled;
            await client.end();
          },
          query: async (text, values = []) => {
            // Bounded in here, so that slonik drops a connection that stopped answering, and at once: it gives a query that is
            // under way time to finish.
            const { rows, rowCount, fields } = await bounded(send(text, values));
            return {
              command: 'SELECT' as const,
              fields: fields.map(({ name, dataTypeID }) => ({ name, dataTypeId: dataTypeID })),
              rowCount,
              rows,
            };
          },
          stream: () => {
            throw new Error('nothing is streamed');
          },
        };
      },
    };
  });
