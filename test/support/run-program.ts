/** Runs a program of this repository as a user does, but for npm, and reads its report. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export interface ProgramRun {
  readonly code: number | null;
  /** stdout and stderr. */
  readonly output: string;
  /** The content of the report, as JSON. */
  readonly report: unknown;
}

/**
 * Runs it to its end; ended with the test whatever happens.
 * @param main The file of the program, which writes its report to the file of `--json`.
 * @param until Interrupts it, as Ctrl-C does, once it has said this.
 */
export async function runProgram(main: string, args: readonly string[], until?: string): Promise<ProgramRun> {
  const folder = await mkdtemp(join(tmpdir(), 'assent-program-'));
  const json = join(folder, 'report.json');
  const child = spawn(process.execPath, [main, ...args, '--json', json], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let interrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
      if (until === undefined || interrupted || !output.includes(until)) return;
      interrupted = true;
      child.kill('SIGINT');
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  onTestFinished(async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  const code = await ended;
  const text = await readFile(json, 'utf8').catch(() => {
    throw new Error(`no report was written:\n${output}`);
  });
  return { code, output, report: JSON.parse(text) };
}
