/** `npm run chaos` as a user runs it, but for npm. */
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { runProgram } from '../run-program.ts';

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
  const { code, output, report } = await runProgram(MAIN, args, until);
  return { code, output, lastLine: output.trimEnd().split('\n').at(-1) ?? '', report: reportSchema.parse(report) };
};
