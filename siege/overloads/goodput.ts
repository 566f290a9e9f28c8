/** The best that a service answers, and what it answers when it is asked for a multiple of it. */
import { setTimeout as delay } from 'node:timers/promises';
import { atRate, inFlight, type Load, type LoadOrder, type LoadPart, type LoadResult } from '../load-process.ts';

/** A load without its parts. */
export type LoadPlan = Omit<LoadOrder, 'parts'>;

export interface Best {
  /** Calls answered a second, of the loads that were tried. */
  readonly perSecond: number;
  /** From which time on an answer is slow, in milliseconds: twice what 99 of 100 take at a third of the best. */
  readonly slowMs: number;
}

export interface Overloaded extends LoadResult {
  /** From the end of the overload to the last slow or failed call, in milliseconds. */
  readonly backMs: number;
}

const WARM_SECONDS = 1;
const WARM_RATE = 100;
const MIN_SLOW_MS = 50;
/** The calls in flight by which the best is looked for: few where a read takes long, many where it does not. */
const IN_FLIGHT = [16, 64, 128];
/** The next rate that is tried, over one that was answered. */
const STEP = 1.25;
const STEPS = 5;
/** The share of calls that are answered at a rate that the service carries. */
const CARRIED = 0.95;
/** The rate of calls before and after an overload, over the best. */
const CALM = 1 / 3;
const CALM_SECONDS = 3;
/** Between two loads: what the last one left in the service has run into its deadline. */
const SETTLE_MS = 1_000;

/** Looks for the best: by calls in flight, then by rates that grow until the service does not carry them. */
export async function bestOf(load: Load, plan: LoadPlan, seconds: number): Promise<Best> {
  const run = async (part: LoadPart): Promise<LoadResult> => {
    const [result] = await load.run({ ...plan, parts: [part] });
    if (result === undefined) throw new Error('the load has no result');
    await delay(SETTLE_MS);
    return result;
  };
  await run(atRate(WARM_RATE, WARM_SECONDS));
  let most = 0;
  for (const count of IN_FLIGHT) most = Math.max(most, (await run(inFlight(count, seconds))).perSecond);
  let rate = most;
  for (let step = 0; step < STEPS; step += 1) {
    const { perSecond } = await run(atRate(rate, seconds));
    most = Math.max(most, perSecond);
    if (perSecond < rate * CARRIED) break;
    rate *= STEP;
  }
  const calm = await run(atRate(most * CALM, seconds));
  return { perSecond: most, slowMs: Math.max(MIN_SLOW_MS, 2 * calm.p99Ms) };
}

/** Asks for a multiple of the best, and then for a third of it. */
export async function overload(
  load: Load,
  plan: LoadPlan,
  seconds: number,
  times: number,
  { perSecond, slowMs }: Best,
): Promise<Overloaded> {
  const parts = [atRate(perSecond * times, seconds), atRate(perSecond * CALM, CALM_SECONDS, slowMs)];
  const [over, calm] = await load.run({ ...plan, parts });
  if (over === undefined || calm === undefined) throw new Error('the load has no result');
  return { ...over, backMs: calm.lastBadMs };
}
