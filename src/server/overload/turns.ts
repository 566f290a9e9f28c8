/**
 * Measures the turns of the event loop that bring calls: how late their calls are, how many the process can answer a second,
 * and how long it took them to arrive. Pure: times are arguments, in monotonic milliseconds.
 */

/**
 * The age, in milliseconds, beyond which a call is late. The answer of a call goes out at the end of its turn and, with its
 * trailers, of the next one. So a call that is answered at this age has its answer after about twice the time.
 */
export const LATE_MS = 110;

/** The CPU of a refusal over an answer's. Node makes the same objects for both. */
const REFUSAL_COST = 0.7;

/** A turn of less than this idle time, in milliseconds, began as soon as the one before had ended. */
const IDLE_MS = 1;

/**
 * A backlog makes each turn as long as the one before, or longer, from this length in milliseconds on. One stall (a collection
 * of garbage, a large request) makes one long turn.
 */
const LONG_MS = 25;

/** The length of a turn over the one before, from which on it counts as no shorter. */
const AS_LONG = 0.9;

/** The least time, in milliseconds, and the least number of calls from which the capacity is known. */
const MEASURED_MS = 100;
const MEASURED_CALLS = 30;

/**
 * The least number of calls of a turn, or of the one before, with which calls are late. A long turn with fewer calls is the work
 * of something else, as of strangers, and to refuse those calls would not shorten it.
 */
const CROWD = 16;

/** A turn looks at the clock once for so many calls. A power of two. */
const CALLS_PER_LOOK = 8;

/** The state of the process at the end of a turn. */
export interface TurnState {
  readonly now: number;
  /** The age of the last call; beyond the bound of a late call, `late` is true. */
  readonly age: number;
  readonly late: boolean;
  /** Whether calls wait in a backlog; otherwise one stall has made them late. */
  readonly growing: boolean;
  readonly arrivalMs: number;
  /** Null where it is not known. */
  readonly capacity: number | null;
}

export class Turns {
  /** Whether a turn has begun that has not ended. */
  running = false;
  /** Whether the calls that come now are late. */
  late = false;
  /** Calls of this turn. */
  calls = 0;
  #refused = 0;
  #began = 0;
  #ended = 0;
  #idleMs = 0;
  #ageAtStart = 0;
  /** Calls and time of turns without much idle time between them. */
  #work = 0;
  #busyMs = 0;
  #arrivalMs = 0;
  #lengthMs = 0;
  #growing = false;
  #callsBefore = 0;

  /** The time, in milliseconds, in which the calls since {@link measured} have arrived. */
  get arrivalMs(): number {
    return this.#arrivalMs;
  }

  /** Whether the last turn was no shorter than the one before, without idle time between them: calls wait in a backlog. */
  get growing(): boolean {
    return this.#growing;
  }

  /** Calls that the process can answer a second; null where it is not known. */
  get capacity(): number | null {
    return this.#busyMs < MEASURED_MS || this.#work < MEASURED_CALLS ? null : (this.#work / this.#busyMs) * 1_000;
  }

  /**
   * Begins a turn with its first call. All connections were read to their end in the turn before: a call of this turn came
   * later than that turn began.
   * @param idleMs The time in all that the loop has waited for events.
   */
  begin(now: number, idleMs: number): void {
    const idle = idleMs - this.#idleMs;
    this.#ageAtStart = idle < IDLE_MS ? now - this.#began : 0;
    if (idle > (now - this.#began) / 4) this.#forget(0);
    this.#busyMs += Math.max(0, now - this.#ended - idle);
    this.#arrivalMs += now - this.#began;
    this.#idleMs = idleMs;
    this.#began = now;
    this.#callsBefore = this.calls;
    this.calls = 0;
    this.late = this.isLate(now);
    this.#refused = 0;
    this.running = true;
  }

  /** Whether it is time to {@link look} at the clock. */
  get due(): boolean {
    return !this.late && this.calls % CALLS_PER_LOOK === 0;
  }

  look(now: number): void {
    this.late = this.isLate(now);
  }

  /** Whether a call that is read now is late. */
  isLate(now: number): boolean {
    return Math.max(this.calls, this.#callsBefore) >= CROWD && this.age(now) > LATE_MS;
  }

  refused(): void {
    this.#refused += 1;
  }

  /** The age, in milliseconds, that a call which is read now may have. */
  age(now: number): number {
    return this.#ageAtStart + now - this.#began;
  }

  end(now: number): void {
    this.running = false;
    this.#ended = now;
    const before = this.#lengthMs;
    this.#lengthMs = now - this.#began;
    this.#growing = this.#ageAtStart > 0 && before >= LONG_MS && this.#lengthMs >= AS_LONG * before;
    this.#busyMs += now - this.#began;
    this.#work += this.calls - this.#refused * (1 - REFUSAL_COST);
    if (this.#busyMs > 1_000) this.#forget(0.5);
  }

  /** Notes that the calls so far were counted: the next ones are of another time. */
  measured(): void {
    this.#arrivalMs = 0;
  }

  #forget(rest: number): void {
    this.#busyMs *= rest;
    this.#work *= rest;
  }
}
