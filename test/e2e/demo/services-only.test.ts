/** `npm run services`, as a user runs it but for npm. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { withClient } from '../../../tools/local-services/index.ts';
import { until } from '../../support/until.ts';

const MAIN = fileURLToPath(new URL('../../../demo/services-only.ts', import.meta.url));

it('`npm run services` prints the settings, serves, and stops with Ctrl-C', async () => {
  const child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGTERM'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const ended = once(child, 'close');
  await until('the last line', () => /^export PATH=.*\n/m.test(output), 20_000);
  const value = (name: string): string => new RegExp(`^export ${name}='(.*)'$`, 'm').exec(output)?.[1] ?? '';
  expect(value('BETTER_AUTH_SECRET')).toMatch(/^[0-9a-f]{64}$/);
  const { rows } = await withClient(value('DATABASE_URL'), (client) => client.query('SELECT 1 AS one'));
  expect(rows).toEqual([{ one: 1 }]);
  const [path = ''] = /^export PATH=.*$/m.exec(output) ?? [];
  const shell = spawnSync('/bin/sh', ['-c', `PATH=/nowhere\n${path}\nnode --version`], { encoding: 'utf8' });
  expect(shell).toMatchObject({ status: 0, stdout: `${process.version}\n` });
  const nats = await connect({ servers: value('NATS_URL') });
  await nats.flush();
  await nats.close();
  child.kill('SIGINT');
  expect(await ended).toEqual([0, null]);
  await expect(withClient(value('DATABASE_URL'), (client) => client.query('SELECT 1'))).rejects.toThrow();
});
