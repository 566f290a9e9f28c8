/** The plan of faults. */
import { describe, expect, it } from 'vitest';
import { faultKinds, planFaults } from '../../chaos/plan.ts';

describe('the plan', () => {
  it('is the same for the same seed and another for another', () => {
    expect(planFaults(7, 60)).toEqual(planFaults(7, 60));
    expect(planFaults(7, 60)).not.toEqual(planFaults(8, 60));
  });

  it.each([15, 20, 60, 600])('has every kind in %i s, and ends before the run does', (seconds) => {
    for (let seed = 0; seed < 50; seed += 1) {
      const plan = planFaults(seed, seconds);
      expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(faultKinds));
      expect(Math.max(...plan.map(({ at, durationMs }) => at + durationMs))).toBeLessThan(seconds * 1_000 - 2_000);
      expect(plan.map(({ at }) => at)).toEqual(plan.map(({ at }) => at).toSorted((left, right) => left - right));
    }
  });

  it('is empty where there is no time', () => {
    expect(planFaults(1, 3)).toEqual([]);
  });
});
