/** The ends of tokens: a report when a token has expired, and before a caller is left without one. Pure. */
import type { CallerEntry } from './entry.ts';

export interface ExpiryReports {
  /** A token has expired. It can be removed from the file. */
  readonly onExpired: (caller: string) => void;
  /** The last token of a caller expires soon: it needs another one. */
  readonly onExpiring: (caller: string, expiresAt: number) => void;
}

export interface ExpiryWatch {
  /** Takes the callers in force, and reports all that is due. */
  begin(entries: readonly CallerEntry[], now: number): void;
  /** Reports what has become due since. */
  advance(now: number): void;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How long before the end of a caller's last token it is reported. */
const NOTICES_MS: readonly number[] = [14 * DAY_MS, 7 * DAY_MS, DAY_MS, HOUR_MS];

interface Due {
  readonly at: number;
  readonly report: () => void;
}

/** Creates the watch. It reports each moment once for each {@link ExpiryWatch.begin}. */
export function createExpiryWatch({ onExpired, onExpiring }: ExpiryReports): ExpiryWatch {
  /** What is to come, the latest first. */
  let coming: Due[] = [];

  return {
    begin: (entries, now) => {
      const due: Due[] = [];
      for (const { name, tokens } of entries) {
        for (const { expiresAt } of tokens) {
          if (expiresAt !== null) due.push({ at: expiresAt, report: () => onExpired(name) });
        }
      }
      for (const [name, expiresAt] of lastExpiries(entries)) {
        if (expiresAt <= now) continue;
        const report = (): void => onExpiring(name, expiresAt);
        const notices = NOTICES_MS.map((noticeMs) => expiresAt - noticeMs);
        // Several notices that have passed are one.
        if (notices.some((at) => at <= now)) report();
        for (const at of notices) if (at > now) due.push({ at, report });
      }
      coming = due.toSorted((one, other) => other.at - one.at);
      advance(now);
    },
    advance,
  };

  function advance(now: number): void {
    for (let next = coming.at(-1); next !== undefined && next.at <= now; next = coming.at(-1)) {
      coming.pop();
      next.report();
    }
  }
}

/** The end of each caller's last token in milliseconds since the epoch, for callers whose tokens all have an end. */
export function lastExpiries(entries: readonly CallerEntry[]): ReadonlyMap<string, number> {
  const last = new Map<string, number>();
  for (const { name, tokens } of entries) {
    const ends = tokens.map(({ expiresAt }) => expiresAt ?? Number.POSITIVE_INFINITY);
    const end = Math.max(...ends);
    if (Number.isFinite(end)) last.set(name, end);
  }
  return last;
}
