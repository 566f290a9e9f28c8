/** A short run with every kind of fault: it holds on the service as it is. */
import { expect, it } from 'vitest';
import { faultKinds } from '../../chaos/plan.ts';
import { runChaos } from './support.ts';

it('finds no answer from before a change that the replica had applied', { timeout: 120_000 }, async () => {
  const { code, output, lastLine, report } = await runChaos([
    '--seconds',
    '16',
    '--seed',
    '4',
    '--calls',
    '250',
    '--events',
    '15',
  ]);
  expect(report.problems, output).toEqual([]);
  expect(code).toBe(0);
  expect(lastLine).toMatch(/^stale grants: 0 of \d+ answers after \d+ revocations, \d+ faults$/);
  expect(Object.keys(report.faults).toSorted()).toEqual(faultKinds.toSorted());
  expect(report.staleGrants).toBe(0);
  const { memory = 0, redis = 0, database = 0 } = report.bySource;
  expect(memory + redis + database).toBe(report.answers);
  expect(output).toMatch(/^\d+ s: .* stale grants; broken now: /m);
});
