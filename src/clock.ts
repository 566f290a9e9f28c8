/** Time, injected so that tests own it. */
export interface Clock {
  /** Milliseconds since the epoch: for moments that other processes or the database also know. */
  now(): number;
  /** Monotonic milliseconds since an arbitrary start: for ages and leases, which a changed wall clock must not stretch. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
