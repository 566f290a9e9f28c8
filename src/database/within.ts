/** A bound on waiting for PostgreSQL. */
import { within as bounded } from '../within.ts';

/** Rejects when `work` has not settled in time; `work` itself goes on and is dropped. */
export const within = <T>(timeoutMs: number, work: Promise<T>): Promise<T> =>
  bounded(timeoutMs, work, () => new Error('timeout waiting for PostgreSQL'));
