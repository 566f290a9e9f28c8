/** Which runs are made: the same with every guard in place and with each one removed. */
import fc from 'fast-check';
import { eventLoopTurn } from '../../../support/event-loop.ts';
import type { Modules } from './modules.ts';
import { simulate, type Tally } from './simulation.ts';
import { script } from './stories.ts';

/** `ASSENT_PROPERTY_RUNS` and `ASSENT_PROPERTY_SEED` make it longer and other. */
export const SEED = Number(process.env['ASSENT_PROPERTY_SEED'] ?? 1);
export const RUNS = Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 1_600);

/** Runs scripts under schedules, the same for the same seed; the first that breaks the promise ends it. */
export const search = (
  modules: Modules,
  tally: Tally,
  runs: { readonly seed: number; readonly numRuns: number; readonly endOnFailure?: boolean },
) =>
  fc.check(
    fc.asyncProperty(script, fc.scheduler(), async (one, scheduler) => {
      await simulate(modules, one, scheduler, tally);
      // A run has no turn of the event loop of its own, and what WeakRefs were made of is kept until there is one: the
      // signals of its sessions, 100 KB.
      await eventLoopTurn();
    }),
    runs,
  );
