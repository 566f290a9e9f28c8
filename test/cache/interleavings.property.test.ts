import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadModules, type Modules } from './simulation/modules.ts';
import { script } from './simulation/script.ts';
import { createTally, simulate } from './simulation/simulation.ts';

const RUNS = Number(process.env['ASSENT_PROPERTY_RUNS'] ?? 300);
const SEED = Number(process.env['ASSENT_PROPERTY_SEED'] ?? 1);

let modules: Modules;
beforeAll(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  modules = await loadModules(fileURLToPath(new URL('../../src', import.meta.url)));
});
afterAll(() => void vi.useRealTimers());

describe('the cache under every interleaving', () => {
  it('never answers from before an event that it applied', async () => {
    const tally = createTally();
    await fc.assert(
      fc.asyncProperty(script, fc.scheduler(), (one, scheduler) => simulate(modules, one, scheduler, tally)),
      { seed: SEED, numRuns: RUNS, includeErrorInReport: true },
    );
    // Otherwise nothing was proved: every tier answered, also about what had changed, and deaf.
    expect(Math.min(...Object.values(tally.answers))).toBeGreaterThan(0);
    expect(tally.deaf).toBeGreaterThan(0);
  }, 600_000);
});
