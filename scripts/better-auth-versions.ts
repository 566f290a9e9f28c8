/**
 * `npm run versions`: installs the newest patch of each minor of Better Auth that `peerDependencies` of the plugin allows,
 * each into a temporary folder, and runs test/e2e/better-auth/versions.test.ts on it. Exit code 1 when one fails.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MINORS = ['1.3', '1.4', '1.5', '1.6', '1.7'];
const root = join(import.meta.dirname, '..');

const results = MINORS.map(tryMinor);
for (const { version, passed } of results) console.log(`better-auth ${version}: ${passed ? 'passed' : 'failed'}`);
process.exitCode = results.every(({ passed }) => passed) ? 0 : 1;

function tryMinor(minor: string): { readonly version: string; readonly passed: boolean } {
  const folder = mkdtempSync(join(tmpdir(), 'assent-better-auth-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const install = ['install', '--no-audit', '--no-fund', '--ignore-scripts', `better-auth@~${minor}.0`];
    if (!succeeds('npm', install, folder)) return { version: minor, passed: false };
    const better = join(folder, 'node_modules/better-auth');
    const { version }: { version: string } = JSON.parse(readFileSync(join(better, 'package.json'), 'utf8'));
    const test = ['node_modules/vitest/vitest.mjs', 'run', 'test/e2e/better-auth/versions.test.ts'];
    return { version, passed: succeeds(process.execPath, test, root, { TEST_BETTER_AUTH: better }) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function succeeds(program: string, args: readonly string[], cwd: string, more: Readonly<Record<string, string>> = {}) {
  return spawnSync(program, args, { cwd, stdio: 'inherit', env: { ...process.env, ...more } }).status === 0;
}
