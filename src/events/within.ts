/** A bound on waiting for NATS. */
import { within as bounded } from '../within.ts';

/** Rejects when `work` has not settled in time, or when `signal` aborts. */
export const within = <T>(timeoutMs: number, work: Promise<T>, signal: AbortSignal): Promise<T> =>
  bounded(timeoutMs, work, () => new Error('NATS did not answer in time'), signal);
