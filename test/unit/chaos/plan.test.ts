/** The plan of faults. */
import { describe, expect, it } from 'vitest';
import { faultKinds, type PlannedFault, partOf, planFaults, separates } from '../../../chaos/plan.ts';
import { TOPOLOGIES } from '../../../chaos/topology.ts';

const LEASE_MS = 2_000;
const endOf = ({ at, durationMs }: PlannedFault): number => at + durationMs;

describe.each(TOPOLOGIES)('the plan of faults of %s', (topology) => {
  it('the plan of faults is the same for the same seed and differs for another seed', () => {
    expect(planFaults(7, 60, topology)).toEqual(planFaults(7, 60, topology));
    expect(planFaults(7, 60, topology)).not.toEqual(planFaults(8, 60, topology));
  });

  it.each([15, 20, 60, 600])('the plan of faults has every kind in %i s, and ends before the run', (seconds) => {
    for (let seed = 0; seed < 50; seed += 1) {
      const plan = planFaults(seed, seconds, topology);
      expect(new Set(plan.map(({ kind }) => kind))).toEqual(new Set(faultKinds(topology)));
      expect(Math.max(...plan.map(endOf))).toBeLessThan(seconds * 1_000 - 2_000);
      expect(plan.map(({ at }) => at)).toEqual(plan.map(({ at }) => at).toSorted((left, right) => left - right));
    }
  });

  it('the plan of faults never breaks one part twice at the same time', () => {
    for (const ofPart of Map.groupBy(planFaults(7, 600, topology), ({ kind }) => partOf(kind)).values()) {
      for (const [index, fault] of ofPart.entries())
        expect(endOf(ofPart[index - 1] ?? { ...fault, at: 0, durationMs: 0 })).toBeLessThanOrEqual(fault.at);
    }
  });

  it('the plan of faults keeps servers apart for longer than a lease', () => {
    const apart = planFaults(7, 30, topology).filter(({ kind }) => separates(kind));
    expect(apart).toHaveLength(topology === 'single' ? 0 : 3);
    expect(Math.min(...apart.map(({ durationMs }) => durationMs))).toBeGreaterThan(LEASE_MS);
  });

  it('the plan of faults has only faults whose names begin with a selected prefix', () => {
    const kinds = new Set(planFaults(7, 20, topology, 'redis-link').map(({ kind }) => kind));
    expect(kinds).toEqual(new Set(faultKinds(topology).filter((kind) => kind.startsWith('redis-link'))));
  });

  it('the plan of faults is empty when the run is too short', () => {
    expect(planFaults(1, 3, topology)).toEqual([]);
  });
});
