/**
 * The line of work for strangers: one piece of work in a turn of the event loop, the newest first. Between two pieces the calls of
 * known callers are answered.
 *
 * Newest first: a flood fills the line with its own connections, and an honest stranger who comes later does not wait for them.
 * The oldest ones wait until the flood is over, or until their time is.
 */

/** A stranger that waits. */
interface Waiting {
  readonly work: () => void;
  /** Whether its connection is gone. */
  readonly isOver: () => boolean;
}

/** The length from which strangers that are gone are taken out: twice the number of strangers. */
const LONG = 4_000;

export class StrangerLine {
  #waiting: Waiting[] = [];
  /** Whether this turn has had its work. */
  #taken = false;

  /** The number of strangers that wait. */
  get length(): number {
    return this.#waiting.length;
  }

  /** Calls `work` in this turn where it is the first, else in a later one, and not at all once `isOver` says so. */
  run(work: () => void, isOver: () => boolean): void {
    if (this.#taken) {
      if (this.#waiting.length >= LONG) this.#waiting = this.#waiting.filter((one) => !one.isOver());
      this.#waiting.push({ work, isOver });
      return;
    }
    this.#taken = true;
    setImmediate(this.#nextTurn);
    work();
  }

  readonly #nextTurn = (): void => {
    let next = this.#waiting.pop();
    while (next?.isOver() === true) next = this.#waiting.pop();
    this.#taken = next !== undefined;
    if (next === undefined) return;
    setImmediate(this.#nextTurn);
    next.work();
  };
}
