/**
 * The protocol without one guard at a time. For each load-bearing guard, the seeds that pass with it find an answer that
 * breaks the promise without it. For each optimisation they find none.
 */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { mutate } from '../../support/mutated.ts';
import { type Guard, loadBearing, optimisations } from './simulation/guards.ts';
import { loadModules } from './simulation/modules.ts';
import { RUNS, SEED, search } from './simulation/seeds.ts';
import { createTally } from './simulation/simulation.ts';

beforeAll(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterAll(() => void vi.useRealTimers());

const searchWithout = async ({ without }: Guard, numRuns: number) => {
  const source = mutate(without);
  try {
    return await search(await loadModules(source.path), createTally(), { seed: SEED, numRuns, endOnFailure: true });
  } finally {
    source.remove();
  }
};

describe('without a guard', () => {
  it.each(loadBearing)(
    'without $name an answer is stale or too old',
    async (guard) => {
      const { failed, errorInstance } = await searchWithout(guard, RUNS);
      expect(failed).toBe(true);
      expect(String(errorInstance)).toMatch(/^Error: (?:stale|too old|past the end of a ban|cached)/);
    },
    600_000,
  );

  // Fewer runs, since none of them ends early; `ASSENT_PROPERTY_RUNS` makes them more.
  it.each(optimisations)(
    'without $name no answer is stale',
    async (guard) => {
      const details = await searchWithout(guard, Math.ceil(RUNS / 24));
      expect(String(details.errorInstance ?? 'none')).toBe('none');
    },
    600_000,
  );
});
