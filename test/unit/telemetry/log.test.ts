import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const LOG = join(import.meta.dirname, '../../../src/telemetry/log.ts');

it('the log removes tokens, passwords and values of statements from logged objects, and a defect is logged as text', () => {
  // pino writes to the process's own stdout.
  const script = `
    const { createLog, defectFields } = await import(${JSON.stringify(LOG)});
    const log = createLog('info');
    const carried = { token: 'secret-1', authorization: 'secret-2', password: 'secret-3', values: ['secret-4'],
      connectionString: 'postgres://u:secret-5@db/app' };
    log.error({ event: 'call.defect', ...defectFields(Object.assign(new Error('broken'), carried)) }, 'a defect');
    log.warn({ err: Object.assign(new Error('broken'), carried), detail: carried }, 'a detail');
    log.debug('below the level');`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
  const lines: Record<string, Record<string, unknown>>[] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ msg }) => msg)).toEqual(['a defect', 'a detail']);
  expect(output).not.toMatch(/secret-\d/);
  for (const carried of [lines[1]?.['err'], lines[1]?.['detail']]) {
    for (const name of ['token', 'authorization', 'password', 'values', 'connectionString']) {
      expect(carried?.[name], name).toBe('[removed]');
    }
  }
  expect(lines[0]).toMatchObject({ error: 'broken', stack: expect.stringMatching(/^Error: broken\n/) });
});
