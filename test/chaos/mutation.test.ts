/** The auditor can fail: a service without one of its guards is caught, by name and with the exit code. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type Edit, mutate } from '../cache/simulation/mutated.ts';
import { runChaos } from './support.ts';

const PROOF = `    const now = await withTimeout(REQUEST_TIMEOUT_MS, manager.streams.info(stream), natsTimeout, anySignal)`;
const WITHOUT_FAULTS = '--no-faults --organizations';

const MUTATIONS: readonly (readonly [string, string, Edit])[] = [
  [
    'answers from memory without judging',
    WITHOUT_FAULTS,
    {
      file: 'cache/facts-cache.ts',
      from: `    clock.monotonic() < entry.expiresAt &&
    positions.current(entry.stamp, key.userId, key.organizationId);
`,
      to: '    clock.monotonic() < entry.expiresAt;\n',
    },
  ],
  [
    'does not mind what changes for an organization',
    WITHOUT_FAULTS,
    { file: 'cache/positions.ts', from: 'seq >= organizations.latest(bare(organizationId)) && ', to: '' },
  ],
  [
    'takes the pong of its server for the answer of a stream that does not answer',
    '--topology edge --only route',
    {
      file: 'events/stream-session.ts',
      from: `${PROOF};
`,
      to: `${PROOF}.catch(() => connection.flush());
    if (now === undefined) {
      sink.heard(at);
      continue;
    }
`,
    },
  ],
];

it.each(MUTATIONS)('finds the stale grants of a service that %s', { timeout: 120_000 }, async (_, how, edit) => {
  const { path, remove } = mutate([edit], true);
  onTestFinished(remove);
  // As long as it takes: how many changes a busy machine gets done in some seconds is not known.
  const options = `--seconds 90 --seed 1 --calls 100 ${how}`.split(' ');
  const stale = 'STALE GRANT: replica';
  const { code, output, lastLine, report } = await runChaos([...options, '--service', join(path, 'main.ts')], stale);
  expect(code, output).toBe(1);
  expect(report.staleGrants).toBeGreaterThan(0);
  expect(output).toContain(stale);
  expect(lastLine).toMatch(/^stale grants: [1-9]\d* of \d+ answers after \d+ revocations, \d+ faults$/);
});
