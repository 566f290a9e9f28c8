/** `npm run siege` as a user runs it, but for npm. */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { runProgram } from '../run-program.ts';

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
  const { code, output, report } = await runProgram(MAIN, ['--deadline', String(DEADLINE_MS), ...args]);
  return { code, output, report: reportSchema.parse(report) };
}
