/**
 * The limits of one caller: calls a second, and calls that are not answered yet. A check allocates nothing and has no timer.
 */

/** Limits of one process; null for no limit. */
export interface Limits {
  /** Calls a second. */
  readonly rate: number | null;
  readonly inFlight: number | null;
}

/** The time for which an idle caller saves up calls, in milliseconds: it may make the calls of one second at once. */
const BURST_MS = 1_000;

/**
 * A token bucket in the form of the generic cell rate algorithm (ITU-T I.371): its whole state is the moment at which the
 * bucket would be full again. It outlives a reload, so that a changed file does not fill the bucket.
 */
export class CallerLimits {
  #inFlight = 0;
  #maxInFlight = Number.POSITIVE_INFINITY;
  /** Milliseconds from one call to the next. */
  #intervalMs = 0;
  /** How far ahead of the clock {@link #fullAt} may be for a call that is taken. */
  #aheadMs = 0;
  #fullAt = Number.NEGATIVE_INFINITY;

  constructor(limits: Limits) {
    this.change(limits);
  }

  /** True where {@link take} can refuse a call; without a rate no clock has to be read. */
  get hasRate(): boolean {
    return this.#intervalMs !== 0;
  }

  /** True where calls have to be given back by {@link end}. */
  get countsInFlight(): boolean {
    return this.#maxInFlight !== Number.POSITIVE_INFINITY;
  }

  /** Takes other limits; calls under way still count. */
  change({ rate, inFlight }: Limits): void {
    this.#maxInFlight = inFlight ?? Number.POSITIVE_INFINITY;
    this.#intervalMs = rate === null ? 0 : 1_000 / rate;
    // One call at least: a caller of one call in ten seconds may make it.
    this.#aheadMs = Math.max(0, BURST_MS - this.#intervalMs);
  }

  /** Whether one more call may be under way. */
  hasRoom(): boolean {
    return this.#inFlight < this.#maxInFlight;
  }

  /**
   * Takes one call from the bucket.
   * @param now Monotonic milliseconds.
   * @returns 0 when the call may go on; else the milliseconds after which one may, and nothing was taken.
   */
  take(now: number): number {
    if (this.#intervalMs === 0) return 0;
    // Farther ahead it can only be after a change of the rate.
    const from = Math.min(Math.max(this.#fullAt, now), now + this.#aheadMs + this.#intervalMs);
    const tooEarlyMs = from - now - this.#aheadMs;
    // Sums of fractions are not exact: a call must not be refused for a billionth of a millisecond.
    const isTooEarly = tooEarlyMs > ROUNDING_MS;
    this.#fullAt = isTooEarly ? from : from + this.#intervalMs;
    return isTooEarly ? tooEarlyMs : 0;
  }

  /** Counts a call as under way. Each has to be ended once. */
  begin(): void {
    this.#inFlight += 1;
  }

  end(): void {
    this.#inFlight -= 1;
  }
}

const ROUNDING_MS = 1e-6;

/**
 * The share of one process in the limits of its replica. The shares together are never more than the limit of calls in flight,
 * and never more than the rate but for the first call of each process after a pause: every bucket holds one call at least.
 * @param limits With a number of calls in flight that is not below `workers`; `file.ts` refuses a smaller one.
 * @param workers The number of processes of the replica.
 */
export function shareOf({ rate, inFlight }: Limits, workers: number): Limits {
  return {
    rate: rate === null ? null : rate / workers,
    inFlight: inFlight === null ? null : Math.floor(inFlight / workers),
  };
}
