/** What the line does under load, in simulated time; then the same without one of its guards at a time. */
import { describe, expect, it } from 'vitest';
import * as line from '../../../src/admission/line.ts';
import { guardsOfLine } from '../../support/admission/guards.ts';
import { SCENARIOS } from '../../support/admission/scenarios.ts';
import type { LineModule } from '../../support/admission/simulation.ts';
import { mutate } from '../../support/mutated.ts';

describe.each(Object.entries(SCENARIOS))('%s', (_title, violations) => {
  it('the line keeps its promises', () => {
    expect(violations(line)).toEqual([]);
  });
});

describe('without a guard', () => {
  it.each(guardsOfLine)('without $name the line breaks a promise', async ({ without, broken }) => {
    const source = mutate(without);
    try {
      const changed: LineModule = await import(/* @vite-ignore */ `${source.path}/admission/line.ts`);
      expect(SCENARIOS[broken]?.(changed) ?? []).not.toEqual([]);
    } finally {
      source.remove();
    }
  });
});
