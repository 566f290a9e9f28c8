/** Asks all replicas at a steady pace: mostly about the same few and who was changed lately, and some of it in batches. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from './history.ts';
import type { Random } from './random.ts';

export interface ReaderOptions {
  readonly pairs: readonly Pair[];
  /** Who was changed lately; may be empty. */
  readonly recent: readonly Pair[];
  readonly random: Random;
  readonly replicas: readonly number[];
  /** Whether some of the calls are batches. */
  readonly batches: boolean;
  /** Asks, and has the reply taken in; tells whether all of it was answered. */
  readonly ask: (replica: number, pairs: readonly Pair[]) => Promise<boolean>;
}

const TICK_MS = 2;
const CATCH_UP_MS = 50;
const BATCH = 40;
const BATCH_EVERY = 6;
/** A replica that does not answer is not asked more than this at once: callers give up somewhere too. */
const MAX_WAITING = 32;
/** A client leaves a replica alone for a moment after a call that failed. */
const BACKOFF_MS = 50;
/** Asked about all the time, and hence in memory. */
const POPULAR = 120;
const MAX_TRAIL = 1_000;
const FOLLOW_MS = 200;

/** Asks until the signal and waits for the last answers. */
export const runReaders = async (
  options: ReaderOptions,
  perSecond: () => number,
  signal: AbortSignal,
): Promise<void> => {
  const { pairs, recent, random, replicas, batches, ask } = options;
  const waiting = replicas.map(() => 0);
  const underWay = new Set<Promise<void>>();
  const popular = pairs.slice(0, POPULAR);
  const resting = replicas.map(() => 0);
  /** Whom another replica was asked about a moment ago, as the services behind one request do: in Redis by now. */
  const trails: { readonly pair: Pair; readonly since: number }[][] = replicas.map(() => []);
  const pickRare = (replica: number): Pair => {
    const now = performance.now();
    const trail = trails[replica] ?? [];
    if ((trail[0]?.since ?? now) < now - FOLLOW_MS) return trail.shift()?.pair ?? random.pick(pairs);
    const pair = random.pick(pairs);
    for (const [other, { length }] of trails.entries()) {
      if (other !== replica && length < MAX_TRAIL) trails[other]?.push({ pair, since: now });
    }
    return pair;
  };
  const pickFor = (replica: number): Pair => {
    const choice = random.next();
    if (choice < 0.28) return pickRare(replica);
    return random.pick(choice < 0.64 || recent.length === 0 ? popular : recent);
  };
  const askOne = (count: number): void => {
    const replica = random.pick(replicas);
    if ((waiting[replica] ?? 0) >= MAX_WAITING || (resting[replica] ?? 0) > performance.now()) return;
    waiting[replica] = (waiting[replica] ?? 0) + 1;
    const size = batches && count % BATCH_EVERY === 0 ? BATCH : 1;
    const call = ask(
      replica,
      Array.from({ length: size }, () => pickFor(replica)),
    ).then((answered) => {
      waiting[replica] = (waiting[replica] ?? 0) - 1;
      if (!answered) resting[replica] = performance.now() + BACKOFF_MS;
      underWay.delete(call);
    });
    underWay.add(call);
  };

  const began = performance.now();
  let due = began;
  let count = 0;
  while (!signal.aborted) {
    const now = performance.now();
    // Not made up for: after a pause of this process a flood would tell of nothing.
    due = Math.max(due, now - CATCH_UP_MS);
    for (; due <= now; due += 1_000 / perSecond()) {
      count += 1;
      askOne(count);
    }
    await delay(TICK_MS, undefined, { signal }).catch(() => {});
  }
  await Promise.all(underWay);
};
