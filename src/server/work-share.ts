/**
 * The share of one connection in the time of the event loop. A turn reads up to 2 MB of a connection: hundreds of batches, whose
 * answers take 0.1 ms and more each. All other connections would wait for them. Once the long answers of a connection have taken
 * {@link SLICE_MS} of a turn, its further calls wait, and one connection in a turn goes on for as long.
 */

/** The time, in milliseconds, of an answer that counts as long. A single check takes a tenth of it. */
const LONG_MS = 0.1;
/** The time, in milliseconds, that a connection has in a turn. */
const SLICE_MS = 2;

/** Connections with calls that wait. One line, as a process has one event loop. */
const line: WorkShare[] = [];
let running = false;

/** The reading side of Node's handle of a socket. A session of HTTP/2 reads there, past a pause of the socket. */
export interface Reading {
  readStop(): void;
  readStart(): void;
}

export class WorkShare {
  /** @param reading The connection's, null once it is closed. */
  constructor(reading: () => Reading | null) {
    this.#reading = reading;
  }

  readonly #reading: () => Reading | null;
  /** The time of the long answers of this turn. */
  #spent = 0;
  /** Calls that wait; null while the connection has not had its share. */
  #waiting: (() => void)[] | null = null;

  /** Whether further calls have to wait. */
  get used(): boolean {
    return this.#waiting !== null;
  }

  /** Notes the time, in milliseconds, that an answer at once took. */
  worked(ms: number): void {
    if (ms < LONG_MS || this.#waiting !== null) return;
    if (this.#spent === 0) {
      setImmediate(() => {
        this.#spent = 0;
      });
    }
    this.#spent += ms;
    // guard: share-of-a-connection
    if (this.#spent >= SLICE_MS) this.#wait();
  }

  /** Calls `work` when the connection goes on. */
  later(work: () => void): void {
    if (this.#waiting === null) work();
    else this.#waiting.push(work);
  }

  /** Does the work that waits, for as long as the connection has. @returns Whether there may be more. */
  goOn(): boolean {
    const end = performance.now() + SLICE_MS;
    do {
      const work = this.#waiting?.shift();
      if (work === undefined) {
        this.#waiting = null;
        this.#reading()?.readStart();
        return false;
      }
      work();
    } while (performance.now() < end);
    return true;
  }

  #wait(): void {
    this.#waiting = [];
    // Node reads on by itself once it has written the answers, where their caller reads them.
    this.#reading()?.readStop();
    line.push(this);
    if (!running) setImmediate(nextTurn);
    running = true;
  }
}

function nextTurn(): void {
  const share = line.shift();
  if (share?.goOn() === true) line.push(share);
  running = line.length > 0;
  if (running) setImmediate(nextTurn);
}
