/** Deadlines, as the headers of a request name them. */

/** The longest that a timer of Node's can be set for. One that is set for longer warns on stderr and fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

/** `grpc-timeout` in milliseconds; null when it is not one. */
export function parseTimeout(text: string): number | null {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text);
  return match === null ? null : Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
}

/** Whether a deadline is so far that there is no timer for it: no call lasts that long. */
export function isBeyondTimers(ms: number): boolean {
  return ms > MAX_TIMER_MS;
}
