/** A bound on waiting for an issuer. */
import { within as bounded } from '../within.ts';

/**
 * Runs something that takes a signal, and stops waiting when the time is over or `cancel` is aborted, also for something
 * that does not listen to its signal.
 * @throws Error when the time is over; what `run` throws; the reason of `cancel`.
 */
export const within = async <T>(
  timeoutMs: number,
  run: (signal: AbortSignal) => Promise<T>,
  cancel: AbortSignal,
): Promise<T> => {
  cancel.throwIfAborted();
  const overtime = new AbortController();
  const late = (): Error => {
    const error = new Error(`No answer within ${timeoutMs} ms.`);
    overtime.abort(error);
    return error;
  };
  return bounded(timeoutMs, run(AbortSignal.any([overtime.signal, cancel])), late, cancel);
};
