/** Calls all replicas at a steady pace: mostly about few pairs and recently changed ones, and partly in batches. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Pair } from './history.ts';
import type { Random } from './random.ts';

export interface ReaderOptions {
  readonly pairs: readonly Pair[];
  /** Pairs that changed lately; may be empty. */
  readonly recent: readonly Pair[];
  readonly random: Random;
  readonly replicas: readonly number[];
  /** Whether some of the calls are batches. */
  readonly batches: boolean;
  /** Sends the checks and records the reply; resolves to whether all of them were answered. */
  readonly ask: (replica: number, pairs: readonly Pair[]) => Promise<boolean>;
}

const TICK_MS = 2;
const CATCH_UP_MS = 50;
const BATCH = 40;
const BATCH_EVERY = 6;
/** The bound of calls under way on a replica that does not answer: real callers have a bound, too. */
const MAX_WAITING = 32;
/** A client leaves a replica alone for a moment after a call that failed. */
const BACKOFF_MS = 50;
/** Pairs that are checked all the time, and hence in memory. */
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
  /** Pairs that another replica answered a moment ago, as for the services behind one request: in Redis by now. */
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
    // Lost time is not made up for: a flood after a pause of this process would measure nothing.
    due = Math.max(due, now - CATCH_UP_MS);
    for (; due <= now; due += 1_000 / perSecond()) {
      count += 1;
      askOne(count);
    }
    await delay(TICK_MS, undefined, { signal }).catch(() => {});
  }
  await Promise.all(underWay);
};
