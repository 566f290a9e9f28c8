import { until } from '../until.ts';

/** Waits until NATS has acknowledged every event of a publisher; fails after `timeoutMs`. */
export function acknowledged(publisher: { pending(): number } | null | undefined, timeoutMs?: number): Promise<void> {
  return until('every event is acknowledged', () => publisher?.pending() === 0, timeoutMs);
}
