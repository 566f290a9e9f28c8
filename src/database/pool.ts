/**
 * PostgreSQL through slonik: one pool of connections that only read, opened when PostgreSQL can be reached. Every wait has a
 * limit: when the server does not answer, a statement fails within its timeout and its caller gets the error.
 */
import { createPool, type DatabasePool, type QuerySqlToken } from 'slonik';
import { z } from 'zod';
import { createAdmission, type Running } from '../admission/admission.ts';
import { type Demand, ownDemand } from '../admission/demand.ts';
import type { ReadEnd, RefusalReason } from '../admission/line.ts';
import { type Clock, systemClock } from '../clock.ts';
import { AssentError } from '../errors.ts';
import { withTimeout } from '../with-timeout.ts';
import { callerSignal, databaseTimeout, RecoveryError, readOnlyDriver } from './read-only-driver.ts';

export interface PoolOptions {
  /** A PostgreSQL connection URI. */
  readonly url: string;
  /** The maximum number of connections. */
  readonly size: number;
  /**
   * Limit on one statement, from the beginning of its turn to the last row, in milliseconds. A new connection is part of it. A
   * call waits as long for a turn while PostgreSQL answers nothing.
   */
  readonly statementTimeoutMs: number;
  /** How long a call goes without a turn while more statements come than PostgreSQL answers, in milliseconds. */
  readonly overloadWaitMs: number;
  /** Counts a statement that is refused before its turn. */
  readonly onRefused?: (reason: RefusalReason) => void;
  readonly clock?: Clock;
  /** Reports a fault of the database; the text is for the log only. */
  readonly onFault: (error: unknown) => void;
  /** Called once, when it turns out that the connections do not keep prepared statements. */
  readonly onUnprepared?: () => void;
}

/** Runs read-only statements and validates their rows. */
export interface Database {
  /**
   * Runs one statement.
   * @param demand The calls that want the rows; none for the service's own reads. When its signal is aborted, the statement
   *   leaves the line or is cancelled on the server, and the signal's reason is thrown.
   * @throws {AssentError} DATABASE_UNAVAILABLE when PostgreSQL cannot be reached in time, OVERLOADED when the turn of the
   *   statement would come too late. Other errors are defects, among them a row of unexpected shape.
   */
  rows<T>(statement: QuerySqlToken, schema: z.ZodType<T>, demand?: Demand): Promise<readonly T[]>;
  /** How many statements wait for a connection. */
  waiting(): number;
  end(): Promise<void>;
}

/** Creates the database; no connection is made before the first statement. */
export function createDatabase(options: PoolOptions): Database {
  const { clock = systemClock, onRefused = () => {}, statementTimeoutMs } = options;
  let pool: Promise<DatabasePool> | null = null;
  // Our own line in front of slonik's queue, because slonik's cannot be left: abandoned reads would pile up in it while
  // PostgreSQL is out of reach, and would be served before any others once it is back. slonik never gets more tasks than
  // it has connections.
  const admission = createAdmission({
    connections: options.size,
    stallWaitMs: statementTimeoutMs,
    overloadWaitMs: options.overloadWaitMs,
    clock,
    refuse: (reason) => {
      onRefused(reason);
      return refusal(reason);
    },
  });

  /** Begins a statement. */
  function begin(statement: QuerySqlToken, signal: AbortSignal): Running<readonly unknown[]> {
    const abandoned = new AbortController();
    let wanted = true;
    // Always settles, which returns the connection: making it, the statement and closing it have limits.
    const done = (async (): Promise<readonly unknown[]> => {
      pool ??= open(options);
      const connected = await pool;
      return connected.connect(async (connection) => {
        // The caller left while the connection was made.
        if (!wanted) return [];
        return (await callerSignal.run(abandoned.signal, () => connection.query(statement))).rows;
      });
    })();
    const result = withTimeout(statementTimeoutMs, done, databaseTimeout, signal).catch((error: unknown) => {
      wanted = false;
      // Cancels a statement that still runs on the server.
      const abandon = (): void => abandoned.abort(databaseTimeout());
      if (signal.aborted) withTimeout(GRACE_MS, done, databaseTimeout).catch(abandon);
      else abandon();
      throw error;
    });
    const ended = done.then(
      (): ReadEnd => 'answered',
      (): ReadEnd => (signal.aborted ? 'abandoned' : 'failed'),
    );
    return { result, ended };
  }

  return {
    rows: async <T>(
      statement: QuerySqlToken,
      schema: z.ZodType<T>,
      demand: Demand = ownDemand(),
    ): Promise<readonly T[]> => {
      const { signal } = demand;
      try {
        return z.array(schema).parse(await admission.run(demand, () => begin(statement, signal)));
      } catch (error) {
        // A caller that left is no fault of the server, even if the signal's reason reads like one.
        if (signal.aborted && error === signal.reason) throw error;
        if (!isServerFault(error)) throw error;
        options.onFault(error);
        const message = 'The database cannot be read at the moment: try again.';
        throw new AssentError('DATABASE_UNAVAILABLE', message, { cause: error });
      }
    },
    waiting: admission.waiting,
    end: async () => {
      await (await pool)?.end();
    },
  };
}

/** The error of a statement whose turn did not come. */
function refusal(reason: RefusalReason): Error {
  // Reported and answered as any other outage.
  if (reason === 'stalled') return databaseTimeout();
  // Callers that were refused together must not come back together.
  const retryAfterMs = Math.round(RETRY_AFTER_MS * (1 + Math.random()));
  return new AssentError('OVERLOADED', 'Too many reads of the database are waiting: try again later.', {
    retryAfterMs,
  });
}

/** The shortest delay before a refused statement may come again: an overload has lasted that long already. */
const RETRY_AFTER_MS = 1_000;

/**
 * How long a statement may still run after its caller left, in milliseconds. A cancellation costs the connection, and most
 * reads take a millisecond: callers that leave early must not cost the others the time to make new connections.
 */
const GRACE_MS = 100;

/** Opens slonik's pool, which makes no connection yet. */
async function open(options: PoolOptions): Promise<DatabasePool> {
  const { url, size, statementTimeoutMs, onUnprepared = () => {} } = options;
  return createPool(url, {
    maxPoolSize: size,
    connectionRetryLimit: 1,
    queryRetryLimit: 0,
    idleTimeout: 60_000,
    // How long a dropped connection has to finish its query and to say goodbye.
    gracefulTerminationTimeout: 500,
    // slonik's default sends DISCARD ALL after every statement (https://github.com/gajus/slonik/issues/719): a second round
    // trip, for sessions in which a read leaves nothing.
    resetConnection: async () => {},
    driverFactory: readOnlyDriver({ url, statementTimeoutMs, onUnprepared }),
  });
}

// SQLSTATE classes and codes in which the server is at fault and not the statement: connection (08), transaction rollback,
// among it a deadlock (40), resources (53), operator intervention, among it cannot_connect_now (57), system error (58),
// invalid authorization, as while a password is rotated (28), invalid catalog name (3D), lock_timeout (55P03). A migration
// that holds locks makes reads fail by the deadlock and by lock_timeout.
const SERVER_FAULT = /^(?:08|40|53|57|58|28|3D|55P03)/;
// How Node and OpenSSL report a certificate that has expired or belongs to another server, and pg a server without TLS.
const TLS_FAULT =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|ERR_TLS_|ERR_SSL_|EPROTO)|support SSL connections/;
// Whole words: PostgreSQL reports `unterminated` for a statement that it cannot parse.
const CONNECTION_FAULT =
  /\b(?:ECONN\w+|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENOENT|terminat(?:ed|ing|ion)|timeout|closed|shut down|not queryable)\b/i;

/** Whether an error, or one of its causes, means that PostgreSQL is out of reach and not that a statement is wrong. */
function isServerFault(error: unknown): boolean {
  for (let current = error; current instanceof Error; current = current.cause) {
    const code = 'code' in current && typeof current.code === 'string' ? current.code : '';
    if (SERVER_FAULT.test(code) || TLS_FAULT.test(code) || CONNECTION_FAULT.test(code)) return true;
    if (TLS_FAULT.test(current.message) || CONNECTION_FAULT.test(current.message)) return true;
    if (current.name.startsWith('BackendTerminated') || current.name === 'StatementTimeoutError') return true;
    if (current instanceof RecoveryError) return true;
    if (current instanceof AggregateError && current.errors.some(isServerFault)) return true;
  }
  return false;
}
