/** The auditor can fail: a service without one of its guards is caught, by name and with the exit code. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { guardsForChaos } from '../../support/chaos/guards.ts';
import { runChaos } from '../../support/chaos/run-chaos.ts';
import { mutate } from '../../support/mutated.ts';

it.each(guardsForChaos)(
  'chaos finds the stale grants of a service that $does',
  { timeout: 120_000 },
  async ({ options: how, without }) => {
    const { path, remove } = mutate(without, true);
    onTestFinished(remove);
    // As long as it takes: how many changes a busy machine gets done in some seconds is not known.
    const options = `--seconds 90 --seed 1 --calls 100 ${how}`.split(' ');
    const stale = 'STALE GRANT: replica';
    const { code, output, lastLine, report } = await runChaos([...options, '--service', join(path, 'main.ts')], stale);
    expect(code, output).toBe(1);
    expect(report.staleGrants).toBeGreaterThan(0);
    expect(output).toContain(stale);
    expect(lastLine).toMatch(/^stale grants: [1-9]\d* of \d+ answers after \d+ revocations, \d+ faults$/);
  },
);
