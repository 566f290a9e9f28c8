/** A bound on waiting for NATS. */
import { within } from '../within.ts';

/** Rejects when `work` has not settled within `timeoutMs`, or when `signal` aborts. */
export const withTimeout = <T>(work: Promise<T>, timeoutMs: number, signal: AbortSignal): Promise<T> =>
  within(timeoutMs, work, () => new Error('NATS did not answer in time'), signal);
