/** Loads an auth.ts in a process of its own. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ReadAuth } from './read-auth.ts';
import type { Report } from './report.ts';

/** The file cannot be read, loaded or exported; the message names it. */
export class LoadError extends Error {
  override readonly name = 'LoadError';
}

const TIMEOUT_MS = 30_000;
// This file's own ending: .ts in the repository, .js as it is published.
const LOADER = fileURLToPath(new URL(`./load${extname(fileURLToPath(import.meta.url))}`, import.meta.url));

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** Why this runtime cannot load the file; null when it can. */
const runtimeProblem = (file: string): string | null => {
  if ('Bun' in globalThis || !/\.[cm]?tsx?$/.test(file)) return null;
  const { typescript } = process.features as { readonly typescript?: unknown };
  if (typescript === 'strip' || typescript === 'transform') return null;
  return `Node ${process.versions.node} does not load TypeScript: use Node 22.18 or newer, or Bun (bunx --bun assent-policy …)`;
};

const parse = (text: string): Report => JSON.parse(text);

/** Runs the loader; how it ended, when it did not report. */
const run = async (file: string, reportPath: string, exportName: string | undefined): Promise<string | null> => {
  const quiet =
    'Bun' in globalThis
      ? []
      : ['--disable-warning=ExperimentalWarning', '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON'];
  // Whatever is written to stdout goes to stderr: stdout is for the policy.
  const args = [LOADER, file, reportPath, ...(exportName === undefined ? [] : [exportName])];
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
    ? `was not loaded within ${TIMEOUT_MS / 1_000} s: something that it waits for at its top level does not come`
    : `ended the process while it was loaded (${ended})`;
};

/**
 * Reads the roles of the instance that a file exports.
 * @param exportName Of the export, where it is neither `auth` nor the default nor the only one.
 * @throws {LoadError}
 */
export const loadAuth = async (file: string, exportName?: string): Promise<ReadAuth> => {
  if (!isFile(file)) throw new LoadError(`${file}: no such file`);
  const unable = runtimeProblem(file);
  if (unable !== null) throw new LoadError(`${file}: ${unable}`);
  const folder = mkdtempSync(join(tmpdir(), 'assent-policy-'));
  try {
    const reportPath = join(folder, 'report.json');
    const ended = await run(file, reportPath, exportName);
    const report: Report = ended === null ? parse(readFileSync(reportPath, 'utf8')) : { problem: ended };
    if ('problem' in report)
      throw new LoadError(
        report.problem
          .split('\n')
          .map((line) => `${file}: ${line}`)
          .join('\n'),
      );
    return report.read;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
