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
  const overtime = new AbortController();
  const timer = setTimeout(() => overtime.abort(new Error(`No answer within ${timeoutMs} ms.`)), timeoutMs);
  const signal = AbortSignal.any([overtime.signal, cancel]);
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([run(signal), aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  }
};
