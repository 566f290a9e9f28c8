/** `npm run chaos` as a user runs it, but for npm. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

const MAIN = fileURLToPath(new URL('../../../chaos/main.ts', import.meta.url));

const counts = z.record(z.string(), z.number());
const reportSchema = z.object({
  topology: z.string(),
  answers: z.number(),
  bySource: counts,
  revocations: z.number(),
  revocationsOfCachedGrants: z.number(),
  staleGrants: z.number(),
  otherStaleAnswers: z.number(),
  wrongAnswers: z.number(),
  faults: counts,
  failures: counts,
  flipMs: z.object({ p50: z.number().nullable(), p99: z.number().nullable(), max: z.number().nullable() }),
  problems: z.array(z.string()),
});

export interface ChaosRun {
  readonly code: number | null;
  readonly output: string;
  readonly lastLine: string;
  readonly report: z.infer<typeof reportSchema>;
}

/**
 * Runs it to its end; ended with the test whatever happens.
 * @param until Interrupts it, as Ctrl-C does, once it has said this.
 */
export const runChaos = async (args: readonly string[], until?: string): Promise<ChaosRun> => {
  const folder = await mkdtemp(join(tmpdir(), 'assent-chaos-test-'));
  const json = join(folder, 'chaos.json');
  const child = spawn(process.execPath, [MAIN, ...args, '--json', json], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let interrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
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
  const report = reportSchema.parse(JSON.parse(text));
  return { code, output, lastLine: output.trimEnd().split('\n').at(-1) ?? '', report };
};
