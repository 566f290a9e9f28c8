/** `npm start` stops as the service does: npm is between the two, and forwards signals in its own way. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import { testDatabase } from '../support/database.ts';
import { applicationTemplate } from '../support/template.ts';

const { url } = await testDatabase(await applicationTemplate('plural'));

const startByNpm = async () => {
  const npm = spawn('npm', ['start'], {
    cwd: join(import.meta.dirname, '../..'),
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DATABASE_URL: url,
      BETTER_AUTH_SECRET: 'a-secret-that-is-long-enough-for-tests',
      BETTER_AUTH_URL: 'http://localhost:3000',
      ASSENT_GRPC_ADDRESS: '127.0.0.1:0',
      ASSENT_HTTP_ADDRESS: 'off',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A separate process group, as a terminal makes one.
    detached: true,
  });
  const group = -(npm.pid ?? 0);
  onTestFinished(() => {
    try {
      process.kill(group, 'SIGKILL');
    } catch {
      // No process is left.
    }
  });
  const said: string[] = [];
  const lines = createInterface({ input: npm.stdout });
  const serving = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      const [, event = ''] = /"event":"([^"]*)"/.exec(line) ?? [];
      said.push(event);
      if (event === 'service.serving') resolve();
    });
  });
  // Closed only when the service, too, has ended.
  const ended = once(lines, 'close');
  await Promise.race([serving, ended]);
  return { npm, group, said, ended };
};

it('SIGTERM to npm alone, as from a supervisor, reaches the service', async () => {
  const { npm, said, ended } = await startByNpm();
  npm.kill('SIGTERM');
  await ended;
  expect(said.slice(-2)).toEqual(['process.stopping', 'process.stopped']);
});

it.each(['SIGINT', 'SIGTERM'] as const)(
  '%s to npm and the service, as from a terminal, counts as one signal',
  async (signal) => {
    const { group, said, ended } = await startByNpm();
    process.kill(group, signal);
    await ended;
    expect(said.slice(-2)).toEqual(['process.stopping', 'process.stopped']);
  },
);
