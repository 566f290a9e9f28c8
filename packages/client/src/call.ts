/** One call: its attempts, each on another connection, within its time. */
import type { Metadata, StatusObject } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { Budget } from './budget.ts';
import type { Connection } from './connection.ts';
import { AssentError } from './errors.ts';
import { closedError, type Pool, type Waiter } from './pool.ts';
import { errorOfStatus, pushbackMs } from './status-error.ts';

/** What the calls of a client share. */
export interface Calls {
  readonly pool: Pool;
  /** For second attempts of calls that got no answer. */
  readonly hedges: Budget;
  /** For attempts after an error. */
  readonly retries: Budget;
  readonly underWay: Set<UnaryCall>;
}

type Rpc = ReturnType<Connection['channel']['createCall']>;

/** Without an answer for so long, a call is tried on another connection. */
const HEDGE_MS = 250;
const MAX_ATTEMPTS = 4;
const BACKOFF_MS = 25;

export class UnaryCall implements Waiter {
  readonly #calls: Calls;
  readonly #path: string;
  readonly #message: Buffer;
  readonly #metadata: Metadata;
  readonly #deadline: number;
  readonly #done: (error: unknown, answer: Uint8Array | null) => void;
  #attempts: Attempt[] = [];
  #made = 0;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;
  #last: AssentError | null = null;
  #hedging = false;

  /** @param deadline By `Date.now()`. @param done Called once. */
  constructor(
    calls: Calls,
    path: string,
    message: Buffer,
    metadata: Metadata,
    deadline: number,
    done: (error: unknown, answer: Uint8Array | null) => void,
  ) {
    this.#calls = calls;
    this.#path = path;
    this.#message = message;
    this.#metadata = metadata;
    this.#deadline = deadline;
    this.#done = done;
    calls.underWay.add(this);
    calls.hedges.called();
    calls.retries.called();
    this.#begin(null);
  }

  /** Ends it without an answer. */
  cancel(error: unknown = closedError()): void {
    if (!this.#ended) this.#end(error, null);
  }

  connected(connection: Connection): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#attempt(connection);
  }

  failed(error: AssentError): void {
    this.#end(error, null);
  }

  attemptEnded(attempt: Attempt, ended: StatusObject): void {
    if (this.#ended) return;
    if (ended.code === status.OK) {
      if (attempt.answer === null)
        this.#end(new AssentError('UNAVAILABLE', 'INTERNAL', 'an answer without a message'), null);
      else this.#end(null, attempt.answer);
      return;
    }
    this.#attempts = this.#attempts.filter((one) => one !== attempt);
    if (ended.code === status.DEADLINE_EXCEEDED) {
      this.#calls.pool.suspect(attempt.connection);
      this.#last = deadlineError(this.#last);
    } else this.#last = errorOfStatus(ended);
    if (this.#attempts.length > 0) return;
    const wait = this.#made < MAX_ATTEMPTS ? retryDelay(ended, this.#made) : null;
    if (wait === null || Date.now() + wait >= this.#deadline || !this.#calls.retries.take(this.#calls.underWay.size)) {
      this.#end(this.#last, null);
      return;
    }
    this.#clear();
    this.#timer = setTimeout(() => this.#begin(attempt.connection), wait);
  }

  #begin(except: Connection | null): void {
    this.#timer = null;
    const connection = this.#calls.pool.pick(except) ?? (except === null ? null : this.#calls.pool.pick(null));
    if (connection !== null) {
      this.#attempt(connection);
      return;
    }
    this.#timer = setTimeout(() => this.#end(deadlineError(this.#last, this.#calls.pool.why), null), this.#left());
    this.#calls.pool.wait(this);
  }

  #attempt(connection: Connection): void {
    this.#hedging = false;
    this.#made += 1;
    this.#attempts.push(new Attempt(this, connection, this.#path, this.#message, this.#metadata, this.#deadline));
    this.#timer = setTimeout(unanswered, HEDGE_MS, this);
  }

  /** The time for an answer has passed: the connection is left alone, and another one asked. */
  hedge(): void {
    this.#timer = null;
    const { pool, hedges, underWay } = this.#calls;
    const [first] = this.#attempts;
    for (const { connection } of this.#attempts) pool.suspect(connection);
    if (this.#made > 1 || first === undefined || this.#hedging || !hedges.take(underWay.size)) return;
    const connection = pool.pick(first.connection);
    if (connection !== null) this.#attempt(connection);
    else {
      this.#hedging = true;
      const second: Waiter = {
        connected: (found) => {
          if (!this.#ended && this.#attempts.length > 0) this.#attempt(found);
        },
        failed: () => {},
      };
      pool.wait(second);
      setTimeout(() => pool.leave(second), this.#left()).unref();
    }
  }

  #left(): number {
    return Math.max(0, this.#deadline - Date.now());
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #end(error: unknown, answer: Uint8Array | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#clear();
    this.#calls.underWay.delete(this);
    this.#calls.pool.leave(this);
    for (const attempt of this.#attempts) attempt.cancel();
    this.#done(error, answer);
  }
}

/** The listener of one attempt. */
class Attempt {
  readonly connection: Connection;
  answer: Uint8Array | null = null;
  readonly #owner: UnaryCall;
  readonly #rpc: Rpc;
  #over = false;

  constructor(
    owner: UnaryCall,
    connection: Connection,
    path: string,
    message: Buffer,
    metadata: Metadata,
    deadline: number,
  ) {
    this.#owner = owner;
    this.connection = connection;
    this.#rpc = connection.channel.createCall(path, deadline, null, null, null);
    this.#rpc.start(metadata, this);
    this.#rpc.sendMessageWithContext({}, message);
    this.#rpc.startRead();
    this.#rpc.halfClose();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#rpc.cancelWithStatus(status.CANCELLED, 'the answer is not needed any more');
  }

  onReceiveMetadata(): void {}

  onReceiveMessage(message: Uint8Array): void {
    this.answer = message;
  }

  onReceiveStatus(ended: StatusObject): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.attemptEnded(this, ended);
  }
}

function unanswered(call: UnaryCall): void {
  call.hedge();
}

function deadlineError(last: AssentError | null, why = ''): AssentError {
  const because = last?.message ?? why;
  const message = because === '' ? 'no answer in time' : `no answer in time: ${because}`;
  return new AssentError('UNAVAILABLE', 'DEADLINE_EXCEEDED', message, { cause: last ?? undefined });
}

/** Milliseconds until the next attempt; null when there is none. */
function retryDelay(ended: StatusObject, made: number): number | null {
  const said = pushbackMs(ended.metadata);
  if (ended.code === status.RESOURCE_EXHAUSTED) return said;
  if (ended.code !== status.UNAVAILABLE) return null;
  // A connection that broke says nothing about the others.
  return said ?? (made === 1 ? 0 : BACKOFF_MS * 2 ** made * (0.8 + 0.4 * Math.random()));
}
