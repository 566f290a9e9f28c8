/** Loads an auth.ts in a separate process: see load.ts. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReadAuth } from './read-auth.ts';
import { isFile } from './tsconfig.ts';

/**
 * Reads the roles of the instance that a file exports.
 * @param exportName The export to take, where it is neither `auth` nor the default nor the only one.
 * @throws {LoadError}
 */
export async function loadAuth(file: string, exportName?: string): Promise<ReadAuth> {
  if (!isFile(file)) throw new LoadError(`${file}: no such file`);
  const unable = runtimeProblem(file);
  if (unable !== null) throw new LoadError(`${file}: ${unable}`);
  const folder = mkdtempSync(join(tmpdir(), 'assent-policy-'));
  try {
    const reportPath = join(folder, 'report.json');
    const ended = await runLoader(file, reportPath, exportName);
    const report: Report = ended === null ? JSON.parse(readFileSync(reportPath, 'utf8')) : { problem: ended };
    if ('read' in report) return report.read;
    const lines = report.problem.split('\n').map((line) => `${file}: ${line}`);
    throw new LoadError(lines.join('\n'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A file cannot be read, loaded or exported; the message names the file. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

/** The result of the process that loads an auth.ts, which it writes to a file as JSON. */
export type Report = { readonly read: ReadAuth } | { readonly problem: string };

const TIMEOUT_MS = 30_000;
// The ending of this file: .ts in the repository, .js as it is published.
const LOADER = fileURLToPath(new URL(`./load${extname(fileURLToPath(import.meta.url))}`, import.meta.url));

/** Why this runtime cannot load the file; null when it can. */
function runtimeProblem(file: string): string | null {
  if ('Bun' in globalThis || !/\.[cm]?tsx?$/.test(file)) return null;
  const { typescript } = process.features as { readonly typescript?: unknown };
  if (typescript === 'strip' || typescript === 'transform') return null;
  return `Node ${process.versions.node} does not load TypeScript: use Node 22.18 or newer, or Bun (bunx --bun assent-policy …)`;
}

/** Runs the loader. Returns null when it wrote its report, else how the process ended. */
async function runLoader(file: string, reportPath: string, exportName: string | undefined): Promise<string | null> {
  const quiet =
    'Bun' in globalThis
      ? []
      : ['--disable-warning=ExperimentalWarning', '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'];
  const args = [LOADER, file, reportPath, ...(exportName === undefined ? [] : [exportName])];
  // Its stdout goes to stderr: stdout is for the policy.
  const child = spawn(process.execPath, [...quiet, ...args], { stdio: ['ignore', 2, 2] });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill('SIGKILL');
  }, TIMEOUT_MS);
  const ended = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  clearTimeout(timer);
  if (isFile(reportPath)) return null;
  return late
    ? `was not loaded within ${TIMEOUT_MS / 1_000} s: a promise that it awaits at its top level does not settle`
    : `ended the process while it was loaded (${ended})`;
}
