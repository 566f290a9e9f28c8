/** How many additional attempts are admitted. */

/** A token bucket whose burst covers the calls in flight: each call gives back a share of an attempt. */
export interface Budget {
  /** A call began. */
  called(): void;
  /** Takes `count` attempts. @param inFlight Calls under way now. @returns whether they are admitted. */
  take(inFlight: number, count?: number): boolean;
}

const MIN_BURST = 10;

/** @param share Additional attempts for each call in the long run. */
export function createBudget(share: number): Budget {
  let spent = 0;
  return {
    called: () => {
      if (spent > 0) spent = Math.max(0, spent - share);
    },
    take: (inFlight, count = 1) => {
      if (spent + count > Math.max(MIN_BURST, inFlight)) return false;
      spent += count;
      return true;
    },
  };
}
