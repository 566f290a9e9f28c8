/** `npm run services`, as a user runs it but for npm. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connect } from 'nats';
import { expect, it, onTestFinished } from 'vitest';
import { withClient } from '../support/services/index.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('../../demo/services-only.ts', import.meta.url));

it('prints what to paste, serves, and stops with Ctrl-C', async () => {
  const child = spawn(process.execPath, [MAIN], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGTERM'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const ended = once(child, 'close');
  await until('the last line', () => output.includes('export BETTER_AUTH_URL='), 20_000);
  const value = (name: string): string => new RegExp(`^export ${name}='(.*)'$`, 'm').exec(output)?.[1] ?? '';
  expect(value('BETTER_AUTH_SECRET')).toMatch(/^[0-9a-f]{64}$/);
  const { rows } = await withClient(value('DATABASE_URL'), (client) => client.query('SELECT 1 AS one'));
  expect(rows).toEqual([{ one: 1 }]);
  const nats = await connect({ servers: value('NATS_URL') });
  await nats.flush();
  await nats.close();
  child.kill('SIGINT');
  expect(await ended).toEqual([0, null]);
  await expect(withClient(value('DATABASE_URL'), (client) => client.query('SELECT 1'))).rejects.toThrow();
});
