import cluster from 'node:cluster';
import { expect, it } from 'vitest';
import { createLog } from '../../../src/telemetry/log.ts';
import { runPrimary } from '../../../src/workers/primary.ts';

it('a stop before the start of the workers starts none of them', async () => {
  const started: unknown[] = [];
  cluster.on('fork', (worker) => started.push(worker));
  // Of no use as a worker: it ends by itself.
  cluster.setupPrimary({ exec: '/dev/null' });
  expect(await runPrimary(2, AbortSignal.abort(), createLog('silent'), 'a key')).toBe(0);
  expect(started).toEqual([]);
});
