/** Rows without any RPC. */
import { type Child, startChild } from '../child.ts';
import { latencyOf } from '../numbers.ts';
import { type Row, RowUnavailable, type Sample } from '../row.ts';
import type { SubjectInput, SubjectMissing, SubjectResult } from './subject.ts';

export interface InProcessOptions {
  readonly name: string;
  readonly title: string;
  /** The module in this folder. */
  readonly module: string;
  readonly input: SubjectInput;
  readonly cores: string;
  readonly seconds: number;
  readonly stack: AsyncDisposableStack;
}

/** A row whose subject runs in a separate process on the server's core. */
export const inProcessRow = ({ name, title, module, input, cores, seconds, stack }: InProcessOptions): Row => {
  let child: Child | null = null;
  const run = async (): Promise<Sample> => {
    if (child === null) throw new Error(`${name} was not started`);
    const { rps, cpuMicros, errors, latencies } = await child.ask<SubjectResult>({ seconds });
    return { rps, cpuMicros, errors, latency: latencyOf(latencies) };
  };
  return {
    name,
    title,
    openRps: null,
    decisions: 1,
    question: null,
    start: async () => {
      child = startChild(cores, './in-process/host.ts', [module]);
      const started = child;
      stack.defer(() => started.stop());
      const answer = await child.ask<SubjectMissing | { readonly ready: boolean }>({ input });
      if ('missing' in answer) throw new RowUnavailable('its package is not installed for this machine');
      if (!answer.ready) throw new Error(`${name} answered something else than expected`);
      await run();
    },
    measure: run,
  };
};
