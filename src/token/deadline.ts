/** A bound on waiting for an issuer. */
import { within } from '../within.ts';

/**
 * Runs something that takes a signal, and stops waiting when the time is over or `cancel` is aborted, also for something
 * that does not listen to its signal.
 * @throws Error when the time is over; what `run` throws; the reason of `cancel`.
 */
export const withTimeout = async <T>(
  timeoutMs: number,
  cancel: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  cancel.throwIfAborted();
  const overtime = new AbortController();
  const late = (): Error => {
    const error = new Error(`No answer within ${timeoutMs} ms.`);
    overtime.abort(error);
    return error;
  };
  return within(timeoutMs, run(AbortSignal.any([overtime.signal, cancel])), late, cancel);
};
