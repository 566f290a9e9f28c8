/** Rejects when `work` has not settled in time; `work` itself goes on and is dropped. */
export const within = async <T>(timeoutMs: number, work: Promise<T>): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error('timeout waiting for PostgreSQL')), timeoutMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
};
