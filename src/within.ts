/** A bound on waiting for what may never come. */

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
  const abort = (): void => reject(cancel?.reason);
  cancel?.addEventListener('abort', abort, { once: true });
  if (cancel?.aborted === true) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    cancel?.removeEventListener('abort', abort);
  }
};
