/** A fresh process of the service, looked at from outside: live heap, resident memory, CPU. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { cpuMicros, processTree, residentBytes } from '../bench/cpu.ts';
import { startAssent } from '../tools/assent/assent-process.ts';
import { liveHeapBytes } from './inspector.ts';

export interface Service {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  readonly grpcPort: number;
  readonly httpPort: number;
  /** The heap after a full collection, in bytes; null when the process does not answer. */
  liveHeap(): Promise<number | null>;
  /** Resident memory in bytes; NaN once the process has ended. */
  resident(): number;
  /** The largest resident memory since {@link forgetPeak}, in bytes. */
  peak(): number;
  forgetPeak(): void;
  /** CPU time so far, in microseconds. */
  cpu(): number;
  /** Moves the process to other cores. */
  moveTo(cores: string | null): void;
  /** Gives it less of a core than others get, by a nice value. */
  nice(value: number): void;
  /** How it ended by itself; null while it runs. */
  ending(): string | null;
  terminate(): void;
  stop(): Promise<void>;
}

/**
 * Starts it and waits until it serves.
 * @param cores As taskset takes them; null: whichever are free.
 * @param main The main file of a changed copy of the service; null: this repository's.
 */
export async function startService(
  environment: Readonly<Record<string, string>>,
  cores: string | null,
  main: string | null,
): Promise<Service> {
  // The inspector costs nothing until a client connects to it.
  const inspected = { NODE_OPTIONS: '--inspect=127.0.0.1:0', ...environment };
  const assent = await startAssent(inspected, 'service.serving', main ?? undefined);
  const inspector = /ws:\/\/\S+/.exec(assent.stderr())?.[0];
  const { pid, grpcAddress, httpUrl } = assent;
  if (pid === undefined || inspector === undefined || httpUrl === null) throw new Error('the service has no inspector');
  let ending: string | null = null;
  let stopping = false;
  void assent.exited.then(({ code, signal }) => {
    if (!stopping) ending = `${signal ?? `exit code ${code}`}: ${assent.stderr().slice(-LAST_WORDS)}`;
  });
  const moveTo = (where: string | null): void => {
    if (where === null || ending !== null) return;
    execFileSync('taskset', ['-a', '-c', '-p', where, String(pid)], { stdio: 'ignore' });
  };
  moveTo(cores);
  const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
  return {
    grpcAddress,
    httpUrl,
    grpcPort: portOf(grpcAddress),
    httpPort: portOf(httpUrl),
    liveHeap: () => liveHeapBytes(inspector),
    resident: () => whileThere(() => residentBytes(pid)),
    peak: () => whileThere(() => peakBytes(pid)),
    forgetPeak: () => void whileThere(() => forgetPeak(pid)),
    cpu: () => cpuMicros(processTree(pid)),
    moveTo,
    // Of its main thread, which does the work.
    nice: (value) => setPriority(pid, value),
    ending: () => ending,
    terminate: () => {
      stopping = true;
      assent.kill('SIGTERM');
    },
    stop: async () => {
      stopping = true;
      await assent.stop();
    },
  };
}

const LAST_WORDS = 500;

function whileThere(look: () => number): number {
  try {
    return look();
  } catch {
    return Number.NaN;
  }
}

function peakBytes(pid: number): number {
  const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1_024;
}

/** Sets the peak of resident memory to what is resident now (proc(5), clear_refs). */
function forgetPeak(pid: number): number {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  return 0;
}
