/**
 * slonik's driver: pg connections that only read, and only from a primary. It stands in place of slonik's own driver, which
 * queries types on a connection without an error listener, sets sessions up only through interceptors that cannot tell a
 * new session from a used one, and prepares no statements. If a connection closes while no `error` listener is attached, Node
 * ends the process (https://github.com/gajus/slonik/issues/471). A connection whose set-up failed must not keep its place in
 * the pool (https://github.com/gajus/slonik/issues/631).
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { Client, type QueryResult } from 'pg';
import { createDriverFactory, type DriverFactory } from 'slonik';
import { withTimeout } from '../with-timeout.ts';
import { cancelKeyOf, cancelStatement, createReadOnlyQuery, type ParsedStatements } from './pg-protocol.ts';

export interface ReadOnlyDriverOptions {
  /** A PostgreSQL connection URI. */
  readonly url: string;
  /** Limit on making a connection and on one statement, the one that inspects a new session included, in milliseconds. */
  readonly statementTimeoutMs: number;
  /** Called once, when it turns out that the connections do not keep prepared statements. */
  readonly onUnprepared: () => void;
}

/** Makes connections for slonik's pool; all of them share the names of their prepared statements. */
export function readOnlyDriver(options: ReadOnlyDriverOptions): DriverFactory {
  return createDriverFactory(async () => {
    const prepared = createPreparedStatements(options.onUnprepared);
    return {
      createPoolClient: async ({ clientEventEmitter }) => {
        const client = new Client({
          connectionString: verifyingUrl(options.url),
          connectionTimeoutMillis: options.statementTimeoutMs,
          // No application_name: PgBouncer leaves it in the session for clients that set none.
        });
        client.on('error', (error) => {
          // slonik removes its listener when it drops a connection; a connection that is being closed can still fail.
          if (clientEventEmitter.listenerCount('error') > 0) clientEventEmitter.emit('error', error);
        });
        return createConnection(client, options.statementTimeoutMs, prepared);
      },
    };
  });
}

/** The server is a standby: it may lag, and would bring back grants that were revoked. */
export class RecoveryError extends Error {
  override readonly name = 'RecoveryError';
  override readonly message =
    'DATABASE_URL names a server in recovery (a standby): Assent reads the primary only, since a replica that lags brings back what was revoked.';
}

/** PostgreSQL did not answer in time. */
export function databaseTimeout(): Error {
  return new Error('timeout waiting for PostgreSQL');
}

/** The signal of the caller whose statement is being sent; it is aborted when the caller no longer waits for the rows. */
export const callerSignal = new AsyncLocalStorage<AbortSignal>();

/** The names of prepared statements. Parsing and planning is most of a server's work for a read, and is done once. */
export interface PreparedStatements {
  /** The name to prepare a text under; null if nothing is prepared. A text has the same name in all processes. */
  nameOf(text: string): string | null;
  /** Whether a statement failed only because it was prepared: the caller sends it again without a name. */
  refused(error: unknown): boolean;
  /** Prepares nothing from now on. */
  stop(): void;
}

/** @param onUnusable Called once, when it turns out that the connections do not keep prepared statements. */
export function createPreparedStatements(onUnusable: () => void): PreparedStatements {
  const names = new Map<string, string>();
  let usable = true;
  let generation = 0;
  const stop = (): void => {
    if (usable) onUnusable();
    usable = false;
  };

  return {
    nameOf: (text) => {
      if (!usable) return null;
      let name = names.get(text);
      if (name === undefined) {
        name = `assent_${createHash('sha256').update(`${generation}:${text}`).digest('hex').slice(0, 24)}`;
        names.set(text, name);
      }
      return name;
    },
    refused: (error) => {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (OTHER_SESSION.has(code)) {
        stop();
        return true;
      }
      if (code !== PLAN_CHANGED) return false;
      // New names make all connections prepare anew. With the old ones each would fail once for every statement.
      generation += 1;
      names.clear();
      return true;
    },
    stop,
  };
}

/** invalid_sql_statement_name, duplicate_prepared_statement: another client prepared or dropped statements in the session. */
const OTHER_SESSION = new Set(['26000', '42P05']);
/** feature_not_supported, "cached plan must not change result type": the tables have changed since the statement was prepared. */
const PLAN_CHANGED = '0A000';

/**
 * Inspects a new session: whether the server is a standby, and whether there is a pooler that leaves prepared statements
 * behind in sessions of other clients. A pooler has its own cancel keys, so that the process id differs; a pooler that
 * keeps prepared statements per client renames them, so that the name is not found.
 */
const INSPECTION_NAME = 'assent_look';
const INSPECTION = `SELECT pg_is_in_recovery() AS standby, pg_backend_pid() AS pid,
  EXISTS (SELECT FROM pg_prepared_statements WHERE name = '${INSPECTION_NAME}') AS named`;

/** How long the cancellation of a statement may take; less than `gracefulTerminationTimeout` of the pool. */
const CANCEL_MS = 400;

/**
 * The URL with `verify-full` in place of `require`. pg verifies the server with either mode, and warns that `require` will
 * mean less in its next major version (https://github.com/brianc/node-postgres/pull/3473).
 */
function verifyingUrl(url: string): string {
  return url.replace(/([?&]sslmode=)require(?=&|$)/, '$1verify-full');
}

type PoolClient = Awaited<
  ReturnType<Awaited<ReturnType<Parameters<typeof createDriverFactory>[0]>>['createPoolClient']>
>;

/** One connection, as slonik uses it. */
function createConnection(client: Client, timeoutMs: number, prepared: PreparedStatements): PoolClient {
  const parsed: ParsedStatements = new Set();
  let cancelled: Promise<unknown> = Promise.resolve();

  // With a callback: pg stores the callback that it makes for a promise in a property, which keeps the rows of a read alive
  // until the next full garbage collection (docs/contribute/measuring.md, "dead streams").
  const send = (name: string | null, text: string, values: readonly unknown[], forget = false): Promise<QueryResult> =>
    new Promise((resolve, reject) => {
      const settle = (error: Error | null, result?: QueryResult): void => {
        if (error || result === undefined) reject(error);
        else resolve(result);
      };
      client.query(createReadOnlyQuery({ name, text, values, timeoutMs, forget }, parsed, settle));
    });
  const sendPrepared = async (text: string, values: readonly unknown[]): Promise<QueryResult> => {
    const name = prepared.nameOf(text);
    if (name === null) return send(null, text, values);
    try {
      return await send(name, text, values);
    } catch (error) {
      if (!prepared.refused(error)) throw error;
      return send(null, text, values);
    }
  };
  /** Waits for a statement within the timeout, and cancels it on the server when it is given up. */
  const bounded = async <T>(statement: Promise<T>): Promise<T> => {
    let settled = false;
    const done = statement.finally(() => {
      settled = true;
    });
    try {
      return await withTimeout(timeoutMs, done, databaseTimeout, callerSignal.getStore());
    } catch (error) {
      if (!settled) {
        // Keep the connection until the statement has ended: once the client is gone, a pooler no longer knows whose
        // statement it was.
        const ended = withTimeout(
          CANCEL_MS,
          done.catch(() => {}),
          databaseTimeout,
        );
        cancelled = Promise.all([cancelStatement(client, CANCEL_MS), ended]).catch(() => {});
      }
      throw error;
    }
  };

  return {
    connect: async () => {
      await client.connect();
      try {
        // With a timeout: a connection that falls silent here would keep its place in the pool for good.
        const { rows } = await bounded(send(INSPECTION_NAME, INSPECTION, [], true));
        const [session] = rows;
        if (session?.standby !== false) throw new RecoveryError();
        if (session.named && session.pid !== cancelKeyOf(client)?.processID) prepared.stop();
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
      // The timeout is inside of slonik, so that slonik drops a connection that does not answer, and at once: slonik waits
      // for a query that is under way.
      const { rows, rowCount, fields } = await bounded(sendPrepared(text, values));
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
}
