/** How long an old answer outlives the change that made it wrong. */
import { connect } from 'nats';
import { z } from 'zod';

/** Receives the commit times of changes from NATS. */
export interface CommitClock {
  /** When the first change after this call was committed, by `performance.now()`. Rejects when no event comes. */
  next(): () => Promise<number>;
  close(): Promise<void>;
}

const eventSchema = z.object({ occurredAt: z.iso.datetime() });
/** Far less than the TTL: a new answer within it came of the event, not of an entry that had expired. */
const LIMIT_MS = 5_000;

/** Subscribes to the events: the plugin writes the time of the commit into each, in milliseconds. */
export const createCommitClock = async (url: string, prefix: string): Promise<CommitClock> => {
  const connection = await connect({ servers: url });
  const waiting = new Set<(at: number) => void>();
  connection.subscribe(`${prefix}.>`, {
    callback: (_, message) => {
      const { occurredAt } = eventSchema.parse(message.json());
      const at = performance.now() - (Date.now() - Date.parse(occurredAt));
      for (const resolve of waiting) resolve(at);
    },
  });
  await connection.flush();
  return {
    next: () => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      waiting.add(resolve);
      void promise.catch(() => {}).then(() => waiting.delete(resolve));
      return () => {
        const timer = setTimeout(() => reject(new Error('no event came for the change')), LIMIT_MS);
        return promise.finally(() => clearTimeout(timer));
      };
    },
    close: () => connection.close(),
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

/**
 * Makes a change and asks without a pause until the answer is new. The asking begins before the change, so that the time
 * is not that of a first call after a wait.
 * @throws when the change or a question fails, and when no event came for the change.
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
    const committedAt = await commit();
    return { answer, flipped: isNew(answer), afterCommitMs: Math.max(0, at - committedAt), changeMs };
  } finally {
    over = true;
  }
};
