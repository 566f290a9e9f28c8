/** slonik's way to PostgreSQL: connections of pg whose sessions only read, and only on a primary. */
import { Client, type QueryConfig, type QueryResult } from 'pg';
import { createDriverFactory, type DriverFactory } from 'slonik';
import { createPreparedStatements } from './prepared-statements.ts';
import { within } from './within.ts';

/** The server is a standby: it may lag, and would bring back what was revoked. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError';
  override readonly message =
    'DATABASE_URL names a server in recovery (a standby): Assent reads the primary only, since a replica that lags brings back what was revoked.';
}

/**
 * Makes a session read-only, bounds its statements and looks whether the server is a standby, all in one statement. Not by
 * startup parameters, which transaction poolers refuse.
 */
const SETUP = `SELECT pg_is_in_recovery() AS standby,
  set_config('default_transaction_read_only', 'on', false),
  set_config('statement_timeout', $1, false),
  set_config('idle_in_transaction_session_timeout', $1, false)`;

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
        const client = new Client({
          connectionString: verifying(url),
          fallback_application_name: 'assent',
          connectionTimeoutMillis: statementTimeoutMs,
        });
        client.on('error', (error) => {
          // slonik stops listening when it drops a connection, and one that is being closed may still fail.
          if (clientEventEmitter.listenerCount('error') > 0) clientEventEmitter.emit('error', error);
        });
        // By a callback of our own: the one that pg makes for a promise is stored in a property, and would keep what a read
        // brought until the next full collection of garbage (docs/performance.md, "dead streams").
        const ask = (config: QueryConfig): Promise<QueryResult> =>
          new Promise((resolve, reject) => {
            client.query(config, (error: Error | null, result) => {
              if (error) reject(error);
              else resolve(result);
            });
          });
        const send = async (text: string, values: unknown[]) => {
          const name = prepared.nameOf(text);
          if (name === null) return ask({ text, values });
          try {
            return await ask({ name, text, values });
          } catch (error) {
            if (!prepared.refused(error)) throw error;
            return ask({ text, values });
          }
        };
        return {
          connect: async () => {
            await client.connect();
            try {
              // Bounded: a connection that fell silent by now would hold its place in the pool for good.
              const setup = client.query<{ standby: boolean }>(SETUP, [String(statementTimeoutMs)]);
              const { rows } = await within(statementTimeoutMs, setup);
              if (rows[0]?.standby === false) return;
              throw new RecoveryError();
            } catch (error) {
              client.end().catch(() => {});
              throw error;
            }
          },
          end: () => client.end(),
          query: async (text, values = []) => {
            // Bounded in here, so that slonik drops a connection that stopped answering, and at once: it gives a query that is
            // under way time to finish.
            const { rows, rowCount, fields } = await within(statementTimeoutMs, send(text, values));
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
