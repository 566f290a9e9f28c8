/**
 * The line of work for strangers on HTTP/1.1 addresses: one piece of work in a turn of the event loop, the newest first. Between two
 * of them the calls of known callers are answered.
 *
 * Newest first: a flood fills the line with its own connections, and an honest stranger who comes later does not wait for them.
 * The oldest ones wait until the flood is over, or until their time is.
 */
export class StrangerLine {
  readonly #waiting: (() => void)[] = [];
  /** Whether this turn has had its work. */
  #taken = false;

  /** Calls `work` in this turn where it is the first, else in a later one. */
  run(work: () => void): void {
    if (this.#taken) {
      this.#waiting.push(work);
      return;
    }
    this.#taken = true;
    setImmediate(this.#nextTurn);
    work();
  }

  readonly #nextTurn = (): void => {
    const work = this.#waiting.pop();
    this.#taken = work !== undefined;
    if (work === undefined) return;
    setImmediate(this.#nextTurn);
    work();
  };
}
