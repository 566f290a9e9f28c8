/** What the figures were measured on. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Cores } from './cores.ts';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly kernel: string;
  readonly system: string;
  readonly node: string;
  readonly h2load: string;
  /** Which core ran the servers and which the load. */
  readonly serverCores: string;
  readonly loadCores: string;
  /** Processes that wanted to run when the bench began, over a minute: much above zero makes figures noisy. */
  readonly loadAverage: number;
  readonly date: string;
}

/** Looks at this machine. */
export const describeMachine = (cores: Cores, h2load: string): Machine => {
  let system = process.platform as string;
  try {
    system = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? system;
  } catch {
    // Not every Linux says its name there.
  }
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cores.count,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    system,
    node: process.version,
    h2load,
    serverCores: cores.server,
    loadCores: cores.load,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    date: new Date().toISOString().slice(0, 10),
  };
};
