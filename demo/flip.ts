/** How long an old answer outlives the change that made it wrong. */

/** Remembers when the monolith last committed a change. */
export interface CommitClock {
  /** A change has been committed just now. */
  committed(): void;
  /** When the first change after this call was committed, by `performance.now()`; null as long as there is none. */
  next(): () => number | null;
}

export const createCommitClock = (): CommitClock => {
  const commits: number[] = [];
  return {
    committed: () => void commits.push(performance.now()),
    next: () => {
      const index = commits.length;
      return () => commits[index] ?? null;
    },
  };
};

export interface Flip<T> {
  /** The first new answer, or the last old one when none came. */
  readonly answer: T;
  readonly flipped: boolean;
  /** From the commit to the first new answer, in milliseconds. */
  readonly afterCommitMs: number;
  /** How long the call that made the change took. */
  readonly changeMs: number;
}

/** Far less than the TTL: a new answer within it came of the event, not of an entry that had expired. */
const LIMIT_MS = 5_000;

/**
 * Makes a change and asks without a pause until the answer is new. The asking begins before the change, so that the time
 * is not that of a first call after a wait.
 * @throws when the change or a question fails, and when the change was not told to the clock.
 */
export const measureFlip = async <T>(
  clock: CommitClock,
  change: () => Promise<unknown>,
  ask: () => Promise<T>,
  isNew: (answer: T) => boolean,
): Promise<Flip<T>> => {
  const started = performance.now();
  const commit = clock.next();
  let over = false;
  const changed = change().then(() => performance.now() - started);
  const asked = (async () => {
    for (;;) {
      const answer = await ask();
      const at = performance.now();
      if (over || isNew(answer) || at - started > LIMIT_MS) return { answer, at };
    }
  })();
  try {
    const [changeMs, { answer, at }] = await Promise.all([changed, asked]);
    const committedAt = commit();
    if (committedAt === null) throw new Error('the application did not tell of the change');
    return { answer, flipped: isNew(answer), afterCommitMs: Math.max(0, at - committedAt), changeMs };
  } finally {
    over = true;
  }
};
