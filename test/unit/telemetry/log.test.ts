/** What libraries put into their errors does not come into the log, which goes to where many can read it. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const LOG = join(import.meta.dirname, '../../../src/telemetry/log.ts');

it('keeps back what errors carry: tokens, passwords, values of statements', () => {
  // pino writes to the process's own stdout.
  const script = `
    const { createLog } = await import(${JSON.stringify(LOG)});
    const log = createLog('info');
    const carried = { token: 'secret-1', authorization: 'secret-2', password: 'secret-3', values: ['secret-4'],
      connectionString: 'postgres://u:secret-5@db/app' };
    log.error({ err: Object.assign(new Error('a defect'), carried) }, 'a defect');
    log.warn({ event: carried }, 'an event');
    log.debug('said to nobody');`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
  const lines: Record<string, Record<string, unknown>>[] = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ msg }) => msg)).toEqual(['a defect', 'an event']);
  expect(output).not.toMatch(/secret-\d/);
  for (const carried of [lines[0]?.['err'], lines[1]?.['event']]) {
    for (const name of ['token', 'authorization', 'password', 'values', 'connectionString']) {
      expect(carried?.[name], name).toBe('[removed]');
    }
  }
  expect(lines[0]?.['err']?.['message']).toBe('a defect');
});
