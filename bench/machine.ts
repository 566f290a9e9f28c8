/** What the figures were measured on. */
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import type { Cores } from './cores.ts';

/** The machine, without the roles of its cores. */
export interface Host {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly system: string;
  readonly node: string;
  /** Processes that wanted to run when the bench began, over a minute: much above zero makes figures noisy. */
  readonly loadAverage: number;
  readonly date: string;
}

export interface Machine extends Host {
  readonly h2load: string;
  /** Which core ran the servers and which the load. */
  readonly serverCores: string;
  readonly loadCores: string;
}

/** Looks at this machine, of which these cores are used. */
export const describeMachine = (cores: Cores, h2load: string): Machine => ({
  ...describeHost(),
  cores: cores.count,
  h2load,
  serverCores: cores.server,
  loadCores: cores.load,
});

/** Looks at this machine. */
export const describeHost = (): Host => {
  let system = process.platform as string;
  try {
    system = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? system;
  } catch {
    // Not every Linux says its name there.
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    system,
    node: process.version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    date: new Date().toISOString().slice(0, 10),
  };
};
