/** `npm run siege` as a user runs it, but for npm. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { z } from 'zod';

const MAIN = fileURLToPath(new URL('../../../siege/main.ts', import.meta.url));
/** A busy machine answers late. Only a call that is refused, cut off or forgotten fails. */
const DEADLINE_MS = 15_000;

const reportSchema = z.object({
  attacks: z.array(
    z.object({
      name: z.string(),
      figures: z
        .object({
          honestCalls: z.number(),
          failed: z.number(),
          liveHeapMb: z.number().nullable(),
          tally: z.object({ opened: z.number(), ended: z.number(), sent: z.number(), wrong: z.number() }),
        })
        .nullable(),
      breaches: z.array(z.object({ text: z.string(), isAboutSpeed: z.boolean() })),
    }),
  ),
  broken: z.array(z.string()),
});

export interface SiegeRun {
  readonly code: number | null;
  readonly output: string;
  readonly report: z.infer<typeof reportSchema>;
}

/** Runs it to its end; ended with the test whatever happens. */
export async function runSiege(args: readonly string[]): Promise<SiegeRun> {
  const folder = await mkdtemp(join(tmpdir(), 'assent-siege-test-'));
  const json = join(folder, 'siege.json');
  const options = ['--deadline', String(DEADLINE_MS), '--json', json];
  const child = spawn(process.execPath, [MAIN, ...options, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      output += piece;
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
  return { code, output, report: reportSchema.parse(JSON.parse(text)) };
}
