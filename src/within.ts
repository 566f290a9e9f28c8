/** Bounds on waiting for what may never come. */

/**
 * Rejects with `late()` when `work` has not settled in time, or with the reason of `cancel` when that is aborted; `work`
 * itself goes on, and what comes of it is dropped.
 */
export const within = async <T>(
  timeoutMs: number,
  work: Promise<T>,
  late: () => Error,
  cancel?: AbortSignal,
): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(late()), timeoutMs);
  const bounded = Promise.race([work, promise]);
  try {
    return await (cancel === undefined ? bounded : unlessAborted(bounded, cancel));
  } finally {
    clearTimeout(timer);
  }
};

/** Rejects with the reason of `signal` when that is aborted before `work` has settled; `work` goes on and is dropped. */
export const unlessAborted = async <T>(work: Promise<T>, signal: AbortSignal): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
};
