import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { closingLine } from '../../support/closing-line-reporter.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'assent-test-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Runs vitest with our reporter on one file of tests; resolves to the last line of its output. */
function lastLineOfRun(tests: string, more = ''): Promise<string> {
  const reporter = JSON.stringify(join(root, 'test/support/closing-line-reporter.ts'));
  const config = `import { createClosingLineReporter } from ${reporter};
    export default { test: { reporters: ['default', createClosingLineReporter()], ${more} } };`;
  writeFileSync(join(folder, 'vitest.config.mts'), config);
  writeFileSync(join(folder, 'some.test.mts'), `import { afterAll, describe, expect, it } from 'vitest';\n${tests}`);
  writeFileSync(join(folder, 'set-up.mts'), `export function setup() { throw new Error('no server'); }`);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  return new Promise((resolve) => {
    execFile(process.execPath, [vitest, 'run'], { cwd: folder }, (_, stdout) => {
      resolve(stdout.trimEnd().split('\n').at(-1) ?? '');
    });
  });
}

it('the last line of the reporter counts tests by their outcome, and failures outside of tests', async () => {
  const tests = `
    it('passes', () => {});
    it('fails', () => expect(1).toBe(2));
    it.todo('is skipped');
    describe('with a hook', () => {
      afterAll(() => { throw new Error('leak'); });
      it('passes', () => {});
    });`;
  expect(await lastLineOfRun(tests)).toBe('2 passed, 2 failed, 1 skipped');
});

it('the last line of the reporter does not say "0 failed" when the set-up failed', async () => {
  expect(await lastLineOfRun(`it('never runs', () => {});`, `globalSetup: ['./set-up.mts']`)).toBe(
    '0 passed, 1 failed, 0 skipped',
  );
});

it('the last line of the reporter keeps the counts of a run that failed in its tests', () => {
  expect(closingLine({ passed: 3, failed: 2, skipped: 1 }, true)).toBe('3 passed, 2 failed, 1 skipped');
  expect(closingLine({ passed: 3, failed: 0, skipped: 0 }, false)).toBe('3 passed, 0 failed, 0 skipped');
});
