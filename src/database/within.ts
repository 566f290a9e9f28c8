/** A bound on waiting for PostgreSQL. */
import { within as bounded } from '../within.ts';

export const late = (): Error => new Error('timeout waiting for PostgreSQL');

/** Rejects when `work` has not settled in time, or `cancel` is aborted; `work` itself goes on and is dropped. */
export const within = <T>(timeoutMs: number, work: Promise<T>, cancel?: AbortSignal): Promise<T> =>
  bounded(timeoutMs, work, late, cancel);
