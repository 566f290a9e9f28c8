/** A bounded memory of which sequence last changed a subject. */

export interface RecentChanges {
  /** The sequence of the subject's last remembered change; 0 when none is. */
  latest(subject: string): number;
  /** Records a change; sequences only grow. */
  record(subject: string, seq: number, nowMs: number): void;
}

export interface RecentChangesOptions {
  readonly rememberMs: number;
  readonly max: number;
  /** Called with the sequence of each change that is forgotten, by age or for want of room. */
  readonly onForget: (seq: number) => void;
}

interface Remembered {
  readonly seq: number;
  readonly at: number;
}

/** Creates an empty memory. A Map iterates in the order of insertion, so its first entry is the oldest change. */
export const createRecentChanges = ({ rememberMs, max, onForget }: RecentChangesOptions): RecentChanges => {
  const bySubject = new Map<string, Remembered>();

  const forgetOldest = (nowMs: number): void => {
    for (const [subject, { seq, at }] of bySubject) {
      if (bySubject.size <= max && nowMs - at <= rememberMs) return;
      bySubject.delete(subject);
      onForget(seq);
    }
  };

  return {
    latest: (subject) => bySubject.get(subject)?.seq ?? 0,
    record: (subject, seq, nowMs) => {
      // Deleted first, so that the subject moves to the end.
      bySubject.delete(subject);
      bySubject.set(subject, { seq, at: nowMs });
      forgetOldest(nowMs);
    },
  };
};
