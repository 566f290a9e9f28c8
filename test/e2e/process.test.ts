/** What is no fault of a call: a defect outside of any, and a log that cannot be written. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { startAssent } from '../../tools/assent/assent-process.ts';
import { freePort } from '../../tools/local-services/ports.ts';
import { testDatabase } from '../support/database.ts';
import { settingsFor } from '../support/settings.ts';
import { applicationTemplate } from '../support/template.ts';
import { until } from '../support/until.ts';

const ENVIRONMENT = settingsFor((await testDatabase(await applicationTemplate('plural'))).url);

it.each([
  ['an unhandled rejection', 'Promise.reject(new Error("forgotten"))'],
  ['an uncaught error', 'throw new Error("forgotten")'],
])('a process logs and ends at an unhandled fault: %s', async (_what, defect) => {
  const preload = `process.once('SIGUSR2', () => { ${defect} })`;
  const assent = await startAssent({
    ...ENVIRONMENT,
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(preload)}`,
  });
  assent.kill('SIGUSR2');
  expect(await assent.exited).toEqual({ code: 1, signal: null });
  const last = assent.logs().at(-1);
  expect(last).toMatchObject({ level: 60, event: 'process.defect', error: 'forgotten' });
  expect(last?.['stack']).toMatch(/^Error: forgotten\n +at /);
  expect(assent.stderr()).toBe('');
});

it.runIf(existsSync('/dev/full'))('a process with its log on a full disk serves, and stops at a signal', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
  const child = spawn(process.execPath, [main], {
    env: { ...ENVIRONMENT, ASSENT_GRPC_ADDRESS: '127.0.0.1:0', ASSENT_HTTP_ADDRESS: address },
    stdio: ['ignore', openSync('/dev/full', 'w'), 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ready = () =>
    fetch(`http://${address}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    );
  await until('it serves', ready);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
