/** Bounds on the log lines of a fault that repeats: by time, or by reason. The metrics count every occurrence. */

/** Milliseconds between two lines of the same fault. */
const INTERVAL_MS = 5_000;

/**
 * Limits the log lines of a fault that may repeat with every call to one in five seconds.
 * @param write Writes the line. `suppressed` is the number of occurrences without a line since the previous one.
 */
export function rateLimited<Fault>(write: (fault: Fault, suppressed: number) => void): (fault: Fault) => void {
  let next = Number.NEGATIVE_INFINITY;
  let suppressed = 0;
  return (fault) => {
    const now = performance.now();
    if (now < next) {
      suppressed += 1;
      return;
    }
    next = now + INTERVAL_MS;
    write(fault, suppressed);
    suppressed = 0;
  };
}

/** Limits the log lines of an operation that is retried again and again to one for each reason of its failure. */
export interface OncePerReason {
  /** True for a reason that was not seen since the last {@link OncePerReason.reset}. */
  isNew(reason: string): boolean;
  /** The operation succeeded: each reason is new again. */
  reset(): void;
}

/** The text of a reason may change with each attempt. More different reasons than this do not help an operator. */
const MAX_REASONS = 20;

export function oncePerReason(): OncePerReason {
  const seen = new Set<string>();
  return {
    isNew: (reason) => {
      if (seen.has(reason) || seen.size === MAX_REASONS) return false;
      seen.add(reason);
      return true;
    },
    reset: () => seen.clear(),
  };
}
