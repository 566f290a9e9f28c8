import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { isAlive } from '../../tools/local-services/processes.ts';

const reportSchema = z.object({ pids: z.array(z.number()), folders: z.array(z.string()) });

/** A running services-parent.ts. */
export interface ParentProgram {
  program: ChildProcess;
  /** The processes and folders of its servers. */
  pids: number[];
  folders: string[];
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts services-parent.ts with its arguments; resolves when its servers serve. */
export async function startParent(ending: string, services: string): Promise<ParentProgram> {
  const script = fileURLToPath(new URL('./services-parent.ts', import.meta.url));
  const program = spawn(process.execPath, [script, ending, services], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    program.once('close', (code, signal) => resolve({ code, signal }));
  });
  for await (const line of createInterface({ input: program.stdout })) {
    return { program, ...reportSchema.parse(JSON.parse(line)), ended };
  }
  throw new Error('the program ended before its servers served');
}

const goneMs = 10_000;
const pollMs = 20;

/** Waits for the end of processes that are not ours to wait for; fails when they or the folders are still there. */
export async function untilGone(pids: readonly number[], folders: readonly string[]): Promise<void> {
  const deadline = performance.now() + goneMs;
  for (;;) {
    const left = [...pids.filter(isAlive), ...folders.filter((folder) => existsSync(folder))];
    if (left.length === 0) {
      return;
    }
    if (performance.now() > deadline) {
      throw new Error(`still there after ${goneMs / 1000} s: ${left.join(', ')}`);
    }
    await delay(pollMs);
  }
}
