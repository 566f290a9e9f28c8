/**
 * The bounds of a stranger: of a connection on which no call has authenticated. They bound its requests, its refusals and its
 * bytes, each by a bucket that fills again slowly. Pure: the time and the number of bytes are arguments.
 */

/** Each refill is per second. */
export interface StrangerLimits {
  /** A request costs one unit of this bucket. */
  readonly requests: Bucket;
  /** Further units that a refused request costs. */
  readonly refusalUnits: number;
  /** The units that a request costs while strangers as a whole ask too much. */
  readonly unitsUnderPressure: number;
  /** Bytes that the connection sends, frames that are no request among them. */
  readonly bytes: Bucket;
  /** Requests that are under way at once. */
  readonly open: number;
  /** The time, in milliseconds, for a request from its headers to the last byte of its answer. */
  readonly requestMs: number;
  /** The time, in milliseconds, for the headers of a request that the connection has begun to send. */
  readonly headerMs: number;
  /** Bytes without a request that count as the beginning of one. Below them are PINGs and window updates. */
  readonly headerBytes: number;
}

export interface Bucket {
  readonly size: number;
  readonly refill: number;
}

/**
 * 20 refusals, or 63 probes, at once; then 6 refusals or 20 probes a second. An honest stranger is a probe, a scrape, or a
 * caller whose token has expired. A refused gRPC call costs the server 50 us.
 */
export const STRANGER_LIMITS: StrangerLimits = {
  requests: { size: 63, refill: 20 },
  refusalUnits: 2,
  unitsUnderPressure: 10,
  bytes: { size: 128 * 1024, refill: 16 * 1024 },
  open: 16,
  requestMs: 5_000,
  headerMs: 10_000,
  headerBytes: 4_096,
};

export const STRANGER_FAULTS = ['refusals', 'requests', 'bytes', 'slow_header', 'slow_request'] as const;

/** Why a stranger is ended. */
export type StrangerFault = (typeof STRANGER_FAULTS)[number];

/** The state of one stranger. Every time is in monotonic milliseconds, every count of bytes is the connection's total. */
export class StrangerBounds {
  readonly #limits: StrangerLimits;
  #units: number;
  #unitsAt: number;
  #bytes: number;
  #bytesAt: number;
  #bytesSeen: number;
  /** The units of the last request. */
  #cost = 1;
  /** Whether a request was refused, which is then the fault. */
  #refused = false;
  /** Since when, and from which count of bytes on, no request has come. */
  #quietSince: number;
  #quietBytes: number;

  /** @param bytesRead The bytes that the connection sent while its caller was known. */
  constructor(limits: StrangerLimits, now: number, bytesRead = 0) {
    this.#limits = limits;
    this.#units = limits.requests.size;
    this.#bytes = limits.bytes.size;
    this.#unitsAt = now;
    this.#bytesAt = now;
    this.#quietSince = now;
    this.#bytesSeen = bytesRead;
    this.#quietBytes = bytesRead;
  }

  /**
   * Counts a request.
   * @param pressed Whether strangers as a whole ask too much.
   * @returns The fault that ends the connection; null where the request may go on.
   */
  request(now: number, bytesRead: number, pressed: boolean): StrangerFault | null {
    this.#quietSince = now;
    this.#quietBytes = bytesRead;
    this.#cost = pressed ? this.#limits.unitsUnderPressure : 1;
    // guard: requests-of-a-stranger
    if (this.#take(now, this.#cost)) return null;
    return this.#refused ? 'refusals' : 'requests';
  }

  /** Whether a request is the last one: another would be a fault. */
  get exhausted(): boolean {
    return this.#units < this.#cost;
  }

  /** Whether another request may be under way beside so many. */
  hasRoom(open: number): boolean {
    // guard: open-requests-of-a-stranger
    return open < this.#limits.open;
  }

  /**
   * Counts a request of {@link request} as refused.
   * @returns A fault also where another request would be one: the answer at hand can still say that the connection ends.
   */
  refused(now: number): StrangerFault | null {
    this.#refused = true;
    // guard: refusals-of-a-stranger
    return this.#take(now, this.#limits.refusalUnits) && !this.exhausted ? null : 'refusals';
  }

  /** Looks at the bytes of the connection. */
  checkBytes(now: number, bytesRead: number): StrangerFault | null {
    const { bytes } = this.#limits;
    this.#bytes = refilled(bytes, this.#bytes, now - this.#bytesAt) - (bytesRead - this.#bytesSeen);
    this.#bytesAt = now;
    this.#bytesSeen = bytesRead;
    // guard: bytes-of-a-stranger
    return this.#bytes < 0 ? 'bytes' : null;
  }

  /**
   * Looks at the connection as a whole, from time to time.
   * @param oldest The time of the oldest request under way that has a bound on its time; null without one.
   */
  check(now: number, bytesRead: number, oldest: number | null): StrangerFault | null {
    const { requestMs, headerMs, headerBytes } = this.#limits;
    const fault = this.checkBytes(now, bytesRead);
    if (fault !== null) return fault;
    // guard: time-of-a-stranger
    if (oldest !== null && now - oldest > requestMs) return 'slow_request';
    const begun = bytesRead - this.#quietBytes > headerBytes;
    return oldest === null && begun && now - this.#quietSince > headerMs ? 'slow_header' : null;
  }

  #take(now: number, units: number): boolean {
    this.#units = refilled(this.#limits.requests, this.#units, now - this.#unitsAt) - units;
    this.#unitsAt = now;
    return this.#units >= 0;
  }
}

function refilled({ size, refill }: Bucket, level: number, elapsedMs: number): number {
  return Math.min(size, level + (elapsedMs * refill) / 1_000);
}
