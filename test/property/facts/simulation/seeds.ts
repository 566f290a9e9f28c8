/** The runs of the simulation: the same with all guards and without each of them. */
import fc from 'fast-check';
import { eventLoopTurn } from '../../../support/event-loop.ts';
import type { Modules } from './modules.ts';
import { simulate, type Tally } from './simulation.ts';
import { script } from './stories.ts';

/** `ASSENT_PROPERTY_RUNS` and `ASSENT_PROPERTY_SEED` change the number of runs and the seed. */
export const SEED = Number(process.env['ASSENT_PROPERTY_SEED'] ?? 1);
export const RUNS = Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 1_600);

/** Runs scripts under schedules, the same for the same seed. The first run that breaks the promise is the last. */
export const search = (
  modules: Modules,
  tally: Tally,
  runs: { readonly seed: number; readonly numRuns: number; readonly endOnFailure?: boolean },
) =>
  fc.check(
    fc.asyncProperty(script, fc.scheduler(), async (one, scheduler) => {
      await simulate(modules, one, scheduler, tally);
      // A run has no turn of the event loop, and the targets of WeakRefs are kept until the next turn: the signals of its
      // sessions, 100 KB.
      await eventLoopTurn();
    }),
    runs,
  );
