/** The siege can fail: without one of the service's bounds, its attack is seen to break through. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { mutate } from '../../support/mutated.ts';
import { guardsForSiege } from '../../support/siege/guards.ts';
import { runSiege } from '../../support/siege/run-siege.ts';

/** Set to run all of them, which takes minutes, and a machine that does nothing else. */
const all = process.env['ASSENT_SIEGE_MUTATIONS'] !== undefined;

it.each(guardsForSiege.filter(({ form }) => all || form === 'always'))(
  'the siege breaks through a service that $does',
  { timeout: 180_000 },
  async ({ scenario, without, breaks, form }) => {
    const { path, remove } = mutate(without, true);
    onTestFinished(remove);
    const length = form === 'long' ? ['--seconds', '3'] : ['--seconds', '1', '--short'];
    const run = await runSiege(['--only', scenario, '--service', join(path, 'main.ts'), ...length]);
    expect(run.report.broken.join('\n'), run.output).toMatch(breaks);
    expect(run.code).toBe(1);
  },
);
