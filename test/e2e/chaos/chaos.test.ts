/** Short runs: it holds on the service as it is. */
import { expect, it } from 'vitest';
import { faultKinds } from '../../../chaos/plan.ts';
import type { Topology } from '../../../chaos/topology.ts';
import { runChaos } from '../../support/chaos/run-chaos.ts';

const RUNS: readonly (readonly [topology: Topology, only: string, options: string])[] = [
  ['single', '', '--seconds 16 --calls 250'],
  // All kinds of faults in so short a time would leave the replicas stale for most of it, and all of them read PostgreSQL then.
  ['edge', 'route', '--seconds 20 --calls 50 --only route'],
];

/**
 * How the answers divide is the machine's: one that is busy with other things does not let Redis answer within its 50 ms.
 * Such a run shows less, and says so, but nothing wrong.
 */
const SHARES = /^the run proves nothing: only [\d.]+ % of the answers came from (?:memory|Redis)$/;

it.each(RUNS)(
  'chaos finds no answer from before a change that the replica had applied: %s',
  {
    timeout: 120_000,
  },
  async (topology, only, options) => {
    const { code, output, lastLine, report } = await runChaos(
      `--topology ${topology} ${options} --seed 4 --events 15`.split(' '),
    );
    expect(
      report.problems.filter((problem) => !SHARES.test(problem)),
      output,
    ).toEqual([]);
    expect(code).toBe(report.problems.length === 0 ? 0 : 1);
    expect(lastLine).toMatch(/^stale grants: 0 of \d+ answers after \d+ revocations, \d+ faults$/);
    expect(report.topology).toBe(topology);
    expect(Object.keys(report.faults).toSorted()).toEqual(faultKinds(topology, only).toSorted());
    expect(report.staleGrants).toBe(0);
    const { memory = 0, redis = 0, database = 0 } = report.bySource;
    expect(Math.min(memory, redis, database)).toBeGreaterThan(0);
    expect(memory + redis + database).toBe(report.answers);
    expect(output).toMatch(/^\d+ s: .* stale grants; broken now: /m);
  },
);
