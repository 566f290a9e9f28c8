/**
 * A statement in a read-only transaction of its own with a bound on the server, in one round trip. Nothing that it sets
 * outlives the transaction: a transaction pooler gives the session to the application next.
 */
import { Query, type QueryConfig, type QueryResult } from 'pg';

/** Named statements that a connection keeps; a name is added once the server has parsed its text. */
export type ParsedStatements = Set<string>;

/** One of a connection's statements. */
export interface ReadOnlyStatement {
  /** To prepare it under; null for a statement that the server is to forget. */
  readonly name: string | null;
  readonly text: string;
  readonly values: readonly unknown[];
  /** In milliseconds. */
  readonly timeoutMs: number;
  /** Drops what was prepared in the same round trip. */
  readonly forget: boolean;
}

/** A query for pg that settles once, with the result of the statement. */
export function createReadOnlyQuery(
  statement: ReadOnlyStatement,
  parsed: ParsedStatements,
  settle: (error: Error | null, result?: QueryResult) => void,
): Query {
  return new ReadOnlyQuery(statement, parsed, settle);
}

/**
 * Sets both for the transaction, which ends with the Sync after the statement: pg sends these messages, the statement's and
 * the Sync in one write. The timeout counts from the next message on. It returns no row, since nobody describes it.
 */
const GUARD = `SELECT WHERE set_config('transaction_read_only', 'on', true) || set_config('statement_timeout', $1, true) IS NULL`;
const GUARD_NAME = 'assent_guard';

/** The part of pg's connection that writes messages; its types ask for arguments that it does not take. */
interface Messages {
  parse(statement: { readonly name: string; readonly text: string }): void;
  bind(portal: { readonly statement: string; readonly values: readonly string[] }): void;
  execute(portal: object): void;
  close(statement: { readonly type: 'S'; readonly name: string }): void;
  sync(): void;
}

/** pg's own query, whose types leave out the methods that it calls on itself. */
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
      // That of the guard comes first.
      settle(null, [results].flat().at(-1));
    });
    this.#parsed = parsed;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
    this.#forget = forget;
  }

  /** By the extended protocol without values, too: the simple one would begin a transaction of its own. */
  requiresPreparation(): boolean {
    return true;
  }

  /** pg takes the first answer to a Parse for that of the statement, which here may be the guard's. */
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
