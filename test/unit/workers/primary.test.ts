import cluster from 'node:cluster';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { createLog } from '../../../src/telemetry/log.ts';
import { runPrimary } from '../../../src/workers/primary.ts';
import { testFolder } from '../../support/folder.ts';

const folder = testFolder();
const NO_RELOAD = { onReload: () => {} };

it('a stop before the start of the workers starts none of them', async () => {
  const started: unknown[] = [];
  cluster.on('fork', (worker) => started.push(worker));
  // Of no use as a worker: it ends by itself.
  cluster.setupPrimary({ exec: '/dev/null' });
  expect(
    await runPrimary({ count: 2, lameDuckMs: 0 }, AbortSignal.abort(), NO_RELOAD, createLog('silent'), 'a key'),
  ).toBe(0);
  expect(started).toEqual([]);
});

it('the primary ends when a worker has exited, also while the channel to the worker is still open', async () => {
  // The grandchild inherits the channel, so that Node reports the exit of the worker before the end of the channel.
  const program = folder.file(
    'worker.mjs',
    `import { spawn } from 'node:child_process';
     const grandchild = spawn('sleep', ['5'], { detached: true, stdio: ['ignore', 'ignore', 'ignore', process.channel.fd] });
     grandchild.unref();
     process.on('message', ({ type }) => type === 'assent:stop' && process.exit(0));
     process.send({ type: 'ready' });`,
  );
  cluster.setupPrimary({ exec: program });
  const stopping = new AbortController();
  const exitCode = runPrimary({ count: 1, lameDuckMs: 0 }, stopping.signal, NO_RELOAD, createLog('silent'), 'a key');
  await once(cluster, 'message');
  stopping.abort();
  expect(await exitCode).toBe(0);
});
