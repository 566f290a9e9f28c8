/** Bounds on waiting for work that may never settle. */

/**
 * Waits for `work`, at most `timeoutMs` milliseconds. The work itself goes on after the timeout; its outcome is dropped.
 * @param late Makes the error for work that has not settled in time.
 * @param cancel Ends the wait early.
 * @throws `late()` after the timeout; the reason of `cancel` when it is aborted first; the error of `work`.
 */
export async function withTimeout<T>(
  timeoutMs: number,
  work: Promise<T>,
  late: () => Error,
  cancel?: AbortSignal,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), timeoutMs);
  const bounded = Promise.race([work, promise]);
  try {
    return await (cancel === undefined ? bounded : unlessAborted(bounded, cancel));
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Waits for `work` until `signal` is aborted. The work itself goes on after that; its outcome is dropped.
 * @throws The reason of `signal` when it is aborted before `work` settles; the error of `work`.
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
