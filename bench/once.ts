/** What is measured once: the start, and memory. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { startAssent, startCommand } from './assent.ts';
import type { Cores } from './cores.ts';
import { residentBytes } from './cpu.ts';
import { median } from './numbers.ts';
import type { Extras } from './ratios.ts';
import type { World } from './world.ts';

const run = promisify(execFile);
const STARTS = 5;
const MEGABYTE = 1_000_000;

const growth = z.object({ entries: z.literal(1_000_000), bytes: z.number() });

/** How much a process grows by a million entries in memory. */
const millionEntries = async (cores: Cores): Promise<number> => {
  const file = new URL('./in-process/million.ts', import.meta.url).pathname;
  // The garbage collector is set as the service's is.
  const flags = startCommand().args.filter((arg) => arg.startsWith('--'));
  const { stdout } = await run('taskset', ['-c', cores.server, process.execPath, ...flags, '--expose-gc', file]);
  return growth.parse(JSON.parse(stdout)).bytes;
};

/** Starts Assent a few times, on its core alone and with all services up, and fills a memory. */
export const measureOnce = async (world: World, cores: Cores, say: (line: string) => void): Promise<Extras> => {
  const starts: number[] = [];
  const idle: number[] = [];
  for (let index = 0; index < STARTS; index += 1) {
    say(`starting Assent ${index + 1}/${STARTS}`);
    const assent = await startAssent(cores.server, world.environment);
    starts.push(assent.readyMs / 1_000);
    idle.push(residentBytes(assent.pid));
    await assent.stop();
  }
  say('filling a memory with a million entries');
  const grown = await millionEntries(cores);
  return { startSeconds: median(starts), millionEntriesMegabytes: (median(idle) + grown) / MEGABYTE };
};
