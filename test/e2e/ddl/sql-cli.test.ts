/** `npm run sql`, as a process. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { testDatabase } from '../../support/database.ts';
import { applicationTemplate } from '../../support/template.ts';

const CLI = fileURLToPath(new URL('../../../src/cli/sql.ts', import.meta.url));
const { url } = await testDatabase(await applicationTemplate('plural'));

const run = async (args: readonly string[], env: Readonly<Record<string, string>>) => {
  const child = spawn(process.execPath, [CLI, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (chunk: string) => {
      output[name] += chunk;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...output };
};

it('`npm run sql` prints the grants for the tables that it finds', async () => {
  const { code, stdout, stderr } = await run(['grants'], { DATABASE_URL: url });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain(
    'GRANT SELECT ("id", "organizationId", "userId", "role", "createdAt") ON "public"."members" TO assent;',
  );
  expect(stdout).not.toMatch(/privateKey|password"/);
});

it('`npm run sql` reports a problem in one line', async () => {
  expect(await run(['grants'], { DATABASE_URL: url, ASSENT_DB_SCHEMA: 'nowhere' })).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^SchemaError: The database schema "nowhere" cannot be read.*migrations have run\.\n$/,
    ),
  });
  expect(await run(['grants'], {})).toMatchObject({ code: 1, stderr: expect.stringContaining('DATABASE_URL must be') });
  const unknownRole = new URL(url);
  unknownRole.username = 'nobody';
  expect(await run(['grants'], { DATABASE_URL: unknownRole.href })).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^PostgreSQL at DATABASE_URL cannot be read: .*"nobody".*\n$/),
  });
  expect(await run(['grant'], { DATABASE_URL: url })).toMatchObject({ code: 2, stdout: '' });
});
