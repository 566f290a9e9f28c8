/** The clocks of the process. They are injected, so that tests control the time. */
export interface Clock {
  /** Milliseconds since the epoch: for moments that are compared with other processes or the database. */
  now(): number;
  /** Monotonic milliseconds since an arbitrary start: for ages and leases, which must not depend on the wall clock. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
