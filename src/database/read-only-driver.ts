/** Connections of slonik whose sessions only read, and only on a primary. */
import { createPgDriverFactory } from '@slonik/pg-driver';
import type { DriverFactory } from 'slonik';
import { within } from './within.ts';

/** The server is a standby: it may lag, and would bring back what was revoked. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError';
}

/**
 * Makes a session read-only, bounds its statements and looks whether the server is a standby, all in one statement. Not by
 * startup parameters, which transaction poolers refuse.
 */
const SETUP = `SELECT pg_is_in_recovery() AS standby,
  set_config('default_transaction_read_only', 'on', false),
  set_config('statement_timeout', $1, false),
  set_config('idle_in_transaction_session_timeout', $1, false)`;

/**
 * slonik's driver for pg, with every session set up before it enters the pool. An interceptor of slonik's could not tell a
 * new session from one that was set up before: it is told another id each time that one is handed out.
 * @param statementTimeoutMs Bound on one statement, the setup's included, in milliseconds.
 */
export const readOnlyDriver = (statementTimeoutMs: number): DriverFactory => {
  const createDriver = createPgDriverFactory();
  return async (input) => {
    const driver = await createDriver(input);
    return {
      createClient: async () => {
        const client = await driver.createClient();
        try {
          client.acquire();
          // Bounded: a connection that fell silent by now would hold its place in the pool for good.
          const { rows } = await within(statementTimeoutMs, client.query(SETUP, [String(statementTimeoutMs)]));
          if (rows[0]?.['standby'] !== false) {
            throw new RecoveryError(
              'DATABASE_URL names a server in recovery (a standby): Assent reads the primary only, since a replica that lags brings back what was revoked.',
            );
          }
          await client.release();
          return client;
        } catch (error) {
          client.destroy().catch(() => {});
          throw error;
        }
      },
    };
  };
};
