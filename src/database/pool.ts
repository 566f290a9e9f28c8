/**
 * PostgreSQL through slonik: one pool of connections that only read, opened when PostgreSQL can be reached, with a bound on every
 * wait. A dead server fails a statement within its timeout and never keeps a caller.
 */
import { createPool, type DatabasePool, type QuerySqlToken } from 'slonik';
import { z } from 'zod';
import { AssentError } from '../errors.ts';
import { withTimeout } from '../with-timeout.ts';
import { caller, databaseTimeout, RecoveryError, readOnlyDriver } from './read-only-driver.ts';
import { createSlots } from './slots.ts';

export interface PoolOptions {
  /** A PostgreSQL connection URI. */
  readonly url: string;
  /** Connections at most. */
  readonly size: number;
  /** Bound on one statement, from asking for a connection to the last row, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** Statements that may wait or run at once; one more is refused with OVERLOADED. */
  readonly maxPending: number;
  /** Reports a fault of the database; the text is for the log only. */
  readonly onFault: (error: unknown) => void;
  /** Called once, when it shows that the connections keep no prepared statements. */
  readonly onUnprepared?: () => void;
}

/** Runs read-only statements and validates their rows. */
export interface Database {
  /**
   * Runs one statement.
   * @param signal When it is aborted the statement leaves the line, or is cancelled on the server, and its reason is thrown.
   * @throws {AssentError} DATABASE_UNAVAILABLE when PostgreSQL cannot be reached in time, OVERLOADED when too many
   *   statements wait. Other errors are defects, among them a row of unexpected shape.
   */
  rows<T>(statement: QuerySqlToken, schema: z.ZodType<T>, signal?: AbortSignal): Promise<readonly T[]>;
  /** How many statements wait or run. */
  pending(): number;
  end(): Promise<void>;
}

/**
 * What a statement may still take once its caller has gone. To cancel one costs its connection; most reads take a
 * millisecond, and callers that leave early must not cost the others the time of making connections.
 */
const GRACE_MS = 100;

const unavailable = (cause: unknown): AssentError =>
  new AssentError('DATABASE_UNAVAILABLE', 'The database cannot be read at the moment: try again.', { cause });

// SQLSTATE classes in which the server, not the statement, is at fault: connection, resources, operator intervention,
// system error, invalid authorization (a password being rotated), cannot-connect-now; and what a migration that holds locks
// makes of a read: deadlock, lock_timeout.
const SERVER_FAULT = /^(?:08|40|53|57|58|28|3D|55P03)/;
// What Node and OpenSSL say of a server's certificate that has expired, or is another's; pg of a server without TLS.
const TLS_FAULT =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|ERR_TLS_|ERR_SSL_|EPROTO)|support SSL connections/;
// Whole words: PostgreSQL says `unterminated` of a statement that it cannot read.
const CONNECTION_FAULT =
  /\b(?:ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|terminat(?:ed|ing|ion)|timeout|closed|shut down|not queryable)\b/i;

/** Whether an error means that PostgreSQL is out of reach rather than that a statement is wrong. */
const isServerFault = (error: unknown): boolean => {
  for (let current = error; current instanceof Error; current = current.cause) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    if (SERVER_FAULT.test(code) || TLS_FAULT.test(code) || CONNECTION_FAULT.test(code)) return true;
    if (TLS_FAULT.test(current.message) || CONNECTION_FAULT.test(current.message)) return true;
    if (current.name.startsWith('BackendTerminated') || current.name === 'StatementTimeoutError') return true;
    if (current instanceof RecoveryError) return true;
    if (current instanceof AggregateError && current.errors.some(isServerFault)) return true;
  }
  return false;
};

const open = async (options: PoolOptions): Promise<DatabasePool> => {
  const { url, size, statementTimeoutMs, onUnprepared = () => {} } = options;
  return createPool(url, {
    maxPoolSize: size,
    connectionRetryLimit: 1,
    queryRetryLimit: 0,
    idleTimeout: 60_000,
    // What a connection that is dropped is given to finish its query and to say goodbye.
    gracefulTerminationTimeout: 500,
    // slonik's default sends DISCARD ALL after every statement: a second round trip, for sessions that nothing is left in.
    resetConnection: async () => {},
    driverFactory: readOnlyDriver({ url, statementTimeoutMs, onUnprepared }),
  });
};

/** Creates the database; no connection is made before the first statement. */
export const createDatabase = (options: PoolOptions): Database => {
  let pool: Promise<DatabasePool> | null = null;
  let pending = 0;
  // In front of slonik, whose own line nobody can leave: those who gave up would pile up in it for as long as PostgreSQL
  // is out of reach, and be served before anybody else once it is back. In here are never more than it has connections for.
  const slots = createSlots(options.size);

  const run = async (statement: QuerySqlToken, signal?: AbortSignal): Promise<readonly unknown[]> => {
    const givenUp = new AbortController();
    let wanted = true;
    // Settles in any case, which frees its slot: making a connection, the statement and the end of a connection are bounded.
    const { done, leave } = slots.run(async () => {
      // Opening connects nothing.
      pool ??= open(options);
      const connected = await pool;
      return connected.connect(async (connection) => {
        // The caller left while this was being connected: do not read for nobody.
        if (!wanted) return [];
        return (await caller.run(givenUp.signal, () => connection.query(statement))).rows;
      });
    });
    try {
      return await withTimeout(options.statementTimeoutMs, done, databaseTimeout, signal);
    } catch (error) {
      wanted = false;
      leave();
      // A statement that is still under way is cancelled on the server.
      const giveUp = (): void => givenUp.abort(databaseTimeout());
      if (signal?.aborted === true) withTimeout(GRACE_MS, done, databaseTimeout).catch(giveUp);
      else giveUp();
      throw error;
    }
  };

  return {
    rows: async <T>(statement: QuerySqlToken, schema: z.ZodType<T>, signal?: AbortSignal): Promise<readonly T[]> => {
      signal?.throwIfAborted();
      if (pending >= options.maxPending) {
        throw new AssentError('OVERLOADED', 'Too many reads of the database are waiting: try again later.');
      }
      pending += 1;
      try {
        return z.array(schema).parse(await run(statement, signal));
      } catch (error) {
        // A caller that has gone is no fault of the server, whatever its reason says.
        if (signal?.aborted === true && error === signal.reason) throw error;
        if (!isServerFault(error)) throw error;
        options.onFault(error);
        throw unavailable(error);
      } finally {
        pending -= 1;
      }
    },
    pending: () => pending,
    end: async () => {
      await (await pool)?.end();
    },
  };
};
