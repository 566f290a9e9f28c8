import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { loadModules } from './simulation/modules.ts';
import { RUNS, SEED, search } from './simulation/seeds.ts';
import { createTally } from './simulation/simulation.ts';

beforeAll(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }));
afterAll(() => void vi.useRealTimers());

describe('the cache under every interleaving', () => {
  it('under every interleaving no answer is older than an applied event', async () => {
    const modules = await loadModules(fileURLToPath(new URL('../../../src', import.meta.url)));
    const tally = createTally();
    const details = await search(modules, tally, { seed: SEED, numRuns: RUNS });
    if (details.failed) throw new Error(fc.defaultReportMessage(details), { cause: details.errorInstance });
    // Otherwise the runs showed nothing: every tier answered, also in stale processes, and every fault occurred.
    expect(Math.min(...Object.values(tally.answers))).toBeGreaterThan(0);
    expect(tally.stale).toBeGreaterThan(0);
    expect(tally.positioned).toBeGreaterThan(0);
    expect([...tally.faults.keys()].toSorted()).toEqual([
      'clock',
      'cut',
      'delete stream',
      'evict',
      'expire',
      'fail loads',
      'flush redis',
      'isolate',
      'lose consumer',
      'lose message',
      'mix redis',
      'purge',
      'redis away',
      'remove',
      'restart',
      'restore redis',
      'restore stream',
      'roll back stream',
      'stall',
    ]);
  }, 600_000);
});
