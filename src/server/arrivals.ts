/**
 * Requests whose message has not come as a whole, each with a bound on its time. Without one a body that is never finished
 * keeps its request for good.
 *
 * Every call passes here, so there is no timer and no object for it: the requests are a linked list in the order in which they
 * came, and one timer looks at the list.
 */

/** A request in the list. Its links belong to the list. */
export interface Arrival {
  previousArrival: Arrival | null;
  nextArrival: Arrival | null;
  /** The look at which the request came; null for a request that is not in the list. */
  arrivingSince: number | null;
  /** False once the caller has left. */
  readonly open: boolean;
  /** Ends the request, whose time is over. */
  expire(): void;
}

/** The time, in milliseconds, for a message to come. */
export const ARRIVAL_MS = 60_000;

const LOOKS = 60;

export class Arrivals {
  readonly #intervalMs: number;
  #first: Arrival | null = null;
  #last: Arrival | null = null;
  #looks = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(arrivalMs: number = ARRIVAL_MS) {
    this.#intervalMs = arrivalMs / LOOKS;
  }

  add(arrival: Arrival): void {
    arrival.arrivingSince = this.#looks;
    arrival.previousArrival = this.#last;
    if (this.#last === null) this.#first = arrival;
    else this.#last.nextArrival = arrival;
    this.#last = arrival;
    if (this.#timer === null) this.#timer = setInterval(() => this.#look(), this.#intervalMs).unref();
  }

  /** Does nothing for a request that is not in the list. */
  remove(arrival: Arrival): void {
    if (arrival.arrivingSince === null) return;
    const { previousArrival: previous, nextArrival: next } = arrival;
    if (previous === null) this.#first = next;
    else previous.nextArrival = next;
    if (next === null) this.#last = previous;
    else next.previousArrival = previous;
    arrival.previousArrival = null;
    arrival.nextArrival = null;
    arrival.arrivingSince = null;
  }

  #look(): void {
    if (this.#first === null && this.#timer !== null) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    this.#looks += 1;
    let arrival = this.#first;
    while (arrival !== null) {
      const { nextArrival: next, arrivingSince } = arrival;
      const over = this.#looks - (arrivingSince ?? 0) > LOOKS;
      if (over || !arrival.open) this.remove(arrival);
      if (over && arrival.open) arrival.expire();
      arrival = next;
    }
  }
}
