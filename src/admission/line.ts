/**
 * The line of reads that wait for a connection to PostgreSQL: which read is next, and which one is refused. Pure: each method
 * takes the time and returns the next steps.
 *
 * The line is bounded by time, and no estimate is made: each decision follows from how long calls have had no turn. A burst only
 * waits, each call until its deadline. While more reads come than PostgreSQL answers, the newest calls go first, and a call without
 * a turn for a short time is refused. While PostgreSQL answers nothing, a refusal gains nothing, and a call waits for longer.
 */
import { type CallQueue, type LineCall, Shares } from './shares.ts';

export interface LineOptions {
  readonly connections: number;
  /** How long a call goes without a turn while PostgreSQL answers nothing, in milliseconds. */
  readonly stallWaitMs: number;
  /** How long a call goes without a turn while more reads come than PostgreSQL answers, in milliseconds. */
  readonly overloadWaitMs: number;
}

/** How long calls wait for too long before that is an overload, in milliseconds: a burst that is shorter only waits. */
const STANDING_MS = 1_000;

/** How long no read is answered before PostgreSQL counts as stalled, in milliseconds. */
const STALL_MS = 500;

/** Waiting reads of one share, at most. Time bounds the line; this bounds the memory that one caller takes with many batches. */
const MAX_READS_OF_SHARE = 10_000;

export type { LineCall };

/** The end of a read: PostgreSQL answered, or did not; or no call waited any more, and the read was cancelled. */
export type ReadEnd = 'answered' | 'failed' | 'abandoned';

/** Why a read is refused. `stalled`: PostgreSQL answers nothing. `overload`: it answers other reads. */
export type RefusalReason = 'overload' | 'stalled';

/** The next step with a read. Each read begins or is refused once, unless it leaves before. */
export type LineEffect<Task> =
  | { readonly kind: 'begin'; readonly read: WaitingRead<Task> }
  | { readonly kind: 'refuse'; readonly read: WaitingRead<Task>; readonly reason: RefusalReason };

/** A read from its arrival to its end. */
export class WaitingRead<Task> {
  readonly task: Task;
  /** @internal The calls that want it while it waits. */
  readonly calls = new Set<CallQueue<WaitingRead<Task>>>();
  /** @internal */
  waits = false;

  constructor(task: Task) {
    this.task = task;
  }
}

type Effects<Task> = LineEffect<Task>[];

export class Line<Task> {
  readonly #options: LineOptions;
  readonly #shares = new Shares<WaitingRead<Task>>();
  readonly #calls = new Map<LineCall, CallQueue<WaitingRead<Task>>>();
  #running = 0;
  #waiting = 0;
  #answeredAt = Number.NEGATIVE_INFINITY;
  /** Since when a call has waited for too long at each look. */
  #longSince = Number.POSITIVE_INFINITY;
  #overloaded = false;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** How many reads wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many reads run. */
  get running(): number {
    return this.#running;
  }

  /** Takes a read: it begins at once, or waits. It is refused at once if too many reads of its caller wait already. */
  enter(
    task: Task,
    calls: Iterable<LineCall>,
    now: number,
  ): { readonly read: WaitingRead<Task>; readonly effects: Effects<Task> } {
    const read = new WaitingRead(task);
    if (this.#running < this.#options.connections) {
      this.#running += 1;
      return { read, effects: [{ kind: 'begin', read }] };
    }
    read.waits = true;
    this.#waiting += 1;
    for (const call of calls) this.join(read, call, now);
    if (read.calls.size > 0) return { read, effects: [] };
    this.leave(read);
    return { read, effects: [{ kind: 'refuse', read, reason: this.#isStalled(now) ? 'stalled' : 'overload' }] };
  }

  /** Adds a call to a read that waits. The read then has its turn as soon as any of its calls has one. */
  join(read: WaitingRead<Task>, call: LineCall, now: number): void {
    // guard: memory-of-a-share
    if (!read.waits || this.#shares.readsOf(call.name) >= MAX_READS_OF_SHARE) return;
    let queue = this.#calls.get(call);
    if (queue === undefined) {
      queue = { call, reads: new Set(), movedAt: now };
      this.#calls.set(call, queue);
    }
    if (read.calls.has(queue)) return;
    read.calls.add(queue);
    this.#shares.add(queue, read);
  }

  /** Takes a call out that has ended, while other calls want the read. */
  part(read: WaitingRead<Task>, call: LineCall): void {
    const queue = this.#calls.get(call);
    if (queue === undefined || !read.calls.delete(queue)) return;
    this.#shares.delete(queue, read);
    if (queue.reads.size === 0) this.#calls.delete(call);
  }

  /** Takes a read out that no call wants any more. A read that has begun goes on, and ends by {@link end}. */
  leave(read: WaitingRead<Task>): void {
    if (!read.waits) return;
    read.waits = false;
    this.#waiting -= 1;
    for (const { call } of [...read.calls]) this.part(read, call);
  }

  /** The end of a read that has begun: its connection is free for the next one. */
  end(end: ReadEnd, now: number): Effects<Task> {
    const effects: Effects<Task> = [];
    // Calls that leave, and statements that fail, do not show that PostgreSQL answers.
    if (end === 'answered') this.#answeredAt = now;
    this.#running -= 1;
    if (this.#waiting > 0) {
      this.#running += 1;
      effects.push({ kind: 'begin', read: this.#takeNext(now) });
    }
    if (this.#waiting === 0) this.#ease();
    return effects;
  }

  /**
   * Refuses the calls that have had no turn for too long. To be called again and again while reads wait, each time after a look
   * at the sockets of PostgreSQL: a long turn of the event loop would be a stall else.
   */
  sweep(now: number): Effects<Task> {
    this.#observe(now);
    const stalled = this.#isStalled(now);
    if (!stalled && !this.#overloaded) return [];
    const limit = stalled ? this.#options.stallWaitMs : this.#options.overloadWaitMs;
    const effects: Effects<Task> = [];
    // guard: call-without-a-turn
    for (const queue of this.#shares.waitingSince(now - limit)) {
      for (const read of queue.reads) {
        this.part(read, queue.call);
        // Another call may have its turn in time.
        if (read.calls.size > 0) continue;
        this.leave(read);
        effects.push({ kind: 'refuse', read, reason: stalled ? 'stalled' : 'overload' });
      }
    }
    return effects;
  }

  #takeNext(now: number): WaitingRead<Task> {
    const queue = this.#shares.next(this.#overloaded ? now : now - this.#options.overloadWaitMs);
    const [read] = queue?.reads ?? [];
    if (read === undefined) throw new Error('the line has lost a read');
    const queues = [...read.calls];
    this.leave(read);
    for (const each of queues) {
      // A read that begins while PostgreSQL is silent is no progress for its call.
      // guard: turn-while-stalled
      if (!this.#isStalled(now)) each.movedAt = now;
      if (each.reads.size > 0) this.#shares.hadTurn(each);
    }
    return read;
  }

  /** Notes an overload: for a while there was a call at each look that has waited for too long. It ends when no read waits. */
  #observe(now: number): void {
    // guard: stall-is-no-overload
    if (this.#waiting === 0 || this.#isStalled(now)) this.#ease();
    else if (now - this.#shares.waitsSince() <= this.#options.overloadWaitMs)
      this.#longSince = Number.POSITIVE_INFINITY;
    else this.#longSince = Math.min(this.#longSince, now);
    if (now - this.#longSince >= STANDING_MS) this.#overloaded = true;
  }

  #ease(): void {
    this.#longSince = Number.POSITIVE_INFINITY;
    this.#overloaded = false;
  }

  #isStalled(now: number): boolean {
    return now - this.#answeredAt > STALL_MS;
  }
}
