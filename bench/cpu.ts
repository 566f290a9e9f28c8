/** CPU time of processes, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

/** Linux shows times in ticks of 10 ms on every architecture that Node runs on. */
const MICROS_PER_TICK = 10_000;

interface ProcessStat {
  readonly parent: number;
  readonly ticks: number;
}

const readStat = (pid: number): ProcessStat | null => {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    // It has ended.
    return null;
  }
  // The program's name, in parentheses, can hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { parent: Number(fields[1]), ticks: Number(fields[11]) + Number(fields[12]) };
};

/** A process and all that descend from it: workers count as the server. */
export const processTree = (root: number): readonly number[] => {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat !== null) children.set(stat.parent, [...(children.get(stat.parent) ?? []), Number(name)]);
  }
  const found = [root];
  for (const pid of found) found.push(...(children.get(pid) ?? []));
  return found;
};

/** User and system time of processes so far, in microseconds. Good to 10 ms: ask over many requests. */
export const cpuMicros = (pids: readonly number[]): number =>
  pids.reduce((sum, pid) => sum + (readStat(pid)?.ticks ?? 0) * MICROS_PER_TICK, 0);

/** Resident memory in bytes. */
export const residentBytes = (pid: number): number => {
  const kilobytes = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1024;
};
