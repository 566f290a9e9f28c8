/** Does what the plan says: breaks, waits, heals. */
import { setTimeout as delay } from 'node:timers/promises';
import { BREAKS } from './breaks.ts';
import { type Part, type PlannedFault, partOf } from './plan.ts';
import { untilWhole } from './topology.ts';
import type { World } from './world.ts';

export interface FaultRunOptions {
  readonly world: World;
  readonly plan: readonly PlannedFault[];
  readonly signal: AbortSignal;
  /** Called as a fault begins. */
  readonly onFault: (fault: PlannedFault) => FaultUnderWay;
}

export interface FaultUnderWay {
  /** What was broken is no longer. */
  healed(): void;
  /** Nothing of it is felt any more: servers have made their links again, and elected leaders. */
  over(): void;
}

/** Resolves when every fault has been healed; faults of one part wait for each other. */
export const runFaults = async ({ world, plan, signal, onFault }: FaultRunOptions): Promise<void> => {
  const began = performance.now();
  const lanes = new Map<Part, Promise<void>>();
  const recovering: Promise<void>[] = [];
  const run = async (fault: PlannedFault, before: Promise<void>): Promise<void> => {
    await before;
    if (signal.aborted) return;
    const underWay = onFault(fault);
    const heal = await BREAKS[fault.kind](world, fault);
    await delay(fault.durationMs, undefined, { signal }).catch(() => {});
    await heal();
    underWay.healed();
    if (partOf(fault.kind) !== 'nats' || world.nats.topology === 'single') underWay.over();
    // In their own time: the next fault does not wait for it.
    else recovering.push(untilWhole(world.nats, signal).then(underWay.over));
  };
  for (const fault of plan) {
    await delay(Math.max(0, fault.at - (performance.now() - began)), undefined, { signal }).catch(() => {});
    const part = partOf(fault.kind);
    const lane = run(fault, lanes.get(part) ?? Promise.resolve());
    // The wait for all faults, or the next fault of the lane, reports it.
    lane.catch(() => {});
    lanes.set(part, lane);
  }
  await Promise.all(lanes.values());
  await Promise.all(recovering);
};
