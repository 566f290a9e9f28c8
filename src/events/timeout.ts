/** A bound on waiting for NATS. */

/** Rejects when `work` has not settled within `timeoutMs`, or when `signal` aborts. */
export const withTimeout = async <T>(work: Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('NATS did not answer in time')), timeoutMs);
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    work.catch(() => {});
  }
};
