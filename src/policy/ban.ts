import type { Ban } from './facts.ts';

/** Whether a ban holds at `nowMs`: Better Auth leaves `banned` set after the ban's end, which is hence computed. */
export const isBanned = (ban: Ban | null, nowMs: number): boolean =>
  ban !== null && (ban.until === null || ban.until > nowMs);
