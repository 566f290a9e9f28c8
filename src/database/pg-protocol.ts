/**
 * Two uses of PostgreSQL's wire protocol for which pg has no API: a read-only transaction around one statement in one round
 * trip, and the cancellation of a statement. No other file uses pg's undocumented members.
 */
import { type Client, Connection, Query, type QueryConfig, type QueryResult } from 'pg';

/** Names of the statements that a connection has prepared; a name is added once the server has parsed its text. */
export type ParsedStatements = Set<string>;

/** One of a connection's statements. */
export interface ReadOnlyStatement {
  /** The name to prepare it under; null for a statement that the server is not to keep. */
  readonly name: string | null;
  readonly text: string;
  readonly values: readonly unknown[];
  /** In milliseconds; enforced by the server. */
  readonly timeoutMs: number;
  /** Closes the prepared statement in the same round trip. */
  readonly forget: boolean;
}

/**
 * A query for `client.query` that runs one statement in its own read-only transaction with a timeout, in one round trip.
 * The settings end with the transaction: a transaction pooler gives the session to another client next.
 * pg sends one statement per round trip (https://github.com/brianc/node-postgres/issues/2646).
 * @param settle Called once, with the result of the statement or its error.
 */
export function createReadOnlyQuery(
  statement: ReadOnlyStatement,
  parsed: ParsedStatements,
  settle: (error: Error | null, result?: QueryResult) => void,
): Query {
  return new ReadOnlyQuery(statement, parsed, settle);
}

/** The key with which a client can cancel its statements; null if the server, or a pooler, gave none. */
export function cancelKeyOf(client: Client): { readonly processID: number; readonly secretKey: number } | null {
  const { processID, secretKey } = client as unknown as ClientInternals;
  return processID === null || secretKey === null ? null : { processID, secretKey };
}

/**
 * Asks the server to cancel the statement of a client, over a second connection with the client's TLS settings; a pooler
 * passes the request on. pg has no API for this (https://github.com/brianc/node-postgres/issues/2774).
 * @param timeoutMs After this time the second connection is dropped.
 * @returns A promise that resolves when the server has closed the second connection, or could not be reached. It never
 *   rejects.
 */
export function cancelStatement(client: Client, timeoutMs: number): Promise<void> {
  const { ssl, sslNegotiation } = client as unknown as ClientInternals;
  const key = cancelKeyOf(client);
  if (key === null) return Promise.resolve();
  const connection = new Connection({ ssl, sslNegotiation } as ConstructorParameters<typeof Connection>[0]);
  const internals = connection as unknown as ConnectionInternals;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => connection.stream.destroy(), timeoutMs);
  const send = (): void => internals.cancel(key.processID, key.secretKey);
  connection.on('error', () => connection.stream.destroy());
  connection.on('end', () => {
    clearTimeout(timer);
    resolve();
  });
  connection.on('connect', () => {
    if (!ssl) send();
    else if (sslNegotiation !== 'direct') internals.requestSsl();
  });
  connection.on('sslconnect', send);
  const { host, port } = client;
  if (host.startsWith('/')) internals.connect(`${host}/.s.PGSQL.${port}`);
  else internals.connect(port, host);
  return promise;
}

/** Members of pg's client and connection that its types leave out. */
interface ClientInternals {
  readonly processID: number | null;
  readonly secretKey: number | null;
  readonly ssl: unknown;
  readonly sslNegotiation: string;
}
interface ConnectionInternals {
  connect(port: number | string, host?: string): void;
  requestSsl(): void;
  cancel(processID: number, secretKey: number): void;
}

/** The methods of pg's connection that write messages. Its types demand arguments that it ignores. */
interface Messages {
  parse(statement: { readonly name: string; readonly text: string }): void;
  bind(portal: { readonly statement: string; readonly values: readonly string[] }): void;
  execute(portal: object): void;
  close(statement: { readonly type: 'S'; readonly name: string }): void;
  sync(): void;
}

/**
 * Makes the transaction read-only and sets its timeout ($1, in milliseconds). The transaction ends with the Sync after the
 * statement: pg sends the messages of this guard, those of the statement and the Sync in one write. The timeout applies
 * from the next message on. The guard returns no row, so that it needs no Describe.
 */
const GUARD = `SELECT WHERE set_config('transaction_read_only', 'on', true) || set_config('statement_timeout', $1, true) IS NULL`;
const GUARD_NAME = 'assent_guard';

/** pg's own query. Its types leave out the methods that it calls on itself. */
const PgQuery = Query as unknown as new (
  config: QueryConfig,
  values: undefined,
  callback: (error: Error | null, result: QueryResult | readonly QueryResult[]) => void,
) => Query & { prepare(connection: unknown): void; _getRows(connection: unknown): void };

class ReadOnlyQuery extends PgQuery {
  readonly #parsed: ParsedStatements;
  readonly #name: string | null;
  readonly #timeoutMs: number;
  readonly #forget: boolean;

  constructor(
    { name, text, values, timeoutMs, forget }: ReadOnlyStatement,
    parsed: ParsedStatements,
    settle: (error: Error | null, result?: QueryResult) => void,
  ) {
    super({ text, values: [...values], ...(name === null ? {} : { name }) }, undefined, (error, results) => {
      if (error) {
        settle(error);
        return;
      }
      if (name !== null && !forget) parsed.add(GUARD_NAME).add(name);
      // The guard's result comes first.
      settle(null, [results].flat().at(-1));
    });
    this.#parsed = parsed;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#forget = forget;
  }

  /** Statements without values use the extended protocol, too: the simple one would begin its own transaction. */
  requiresPreparation(): boolean {
    return true;
  }

  /** pg's own bookkeeping takes the first ParseComplete for that of the statement; here it may be that of the guard. */
  hasBeenParsed(): boolean {
    return this.#name !== null && this.#parsed.has(this.#name);
  }

  override prepare(connection: unknown): void {
    const messages = connection as Messages;
    const name = this.#name === null || this.#forget ? '' : GUARD_NAME;
    if (name === '' || !this.#parsed.has(name)) messages.parse({ name, text: GUARD });
    messages.bind({ statement: name, values: [String(this.#timeoutMs)] });
    messages.execute({});
    super.prepare(connection);
  }

  override _getRows(connection: unknown): void {
    const messages = connection as Messages;
    messages.execute({});
    if (this.#forget && this.#name !== null) messages.close({ type: 'S', name: this.#name });
    messages.sync();
  }
}
