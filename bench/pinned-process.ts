/** Servers under test: separate processes on the server's core. */
import { createServerProcess } from '../tools/local-services/server-process.ts';

export interface PinnedPlan {
  readonly name: string;
  /** As taskset takes them. */
  readonly cores: string;
  readonly command: string;
  readonly args: readonly string[];
  /** All of its environment but for PATH and HOME: nothing of this process's settings gets into a measurement. */
  readonly env: Readonly<Record<string, string>>;
  /** What its output has once it serves. */
  readonly ready: RegExp;
  readonly cwd?: string;
}

export interface PinnedProcess {
  readonly pid: number;
  /** What `ready` matched. */
  readonly match: RegExpExecArray;
  /** From the start of the process to its readiness, in milliseconds. */
  readonly readyMs: number;
  /** The end of its output when it has ended by itself; null while it runs. */
  lastWords(): string | null;
  stop(): Promise<void>;
}

const LAST_WORDS = 2_000;

/** The environment without the user's settings. */
const bareEnvironment = (): Record<string, string> => {
  const { PATH, HOME } = process.env;
  return { ...(PATH === undefined ? {} : { PATH }), ...(HOME === undefined ? {} : { HOME }) };
};

/**
 * Starts a process and waits until it serves.
 * @throws Error with its output when it does not.
 */
export const startPinned = async (plan: PinnedPlan): Promise<PinnedProcess> => {
  const server = createServerProcess({
    name: plan.name,
    // taskset becomes the command: the process has one pid throughout.
    command: 'taskset',
    args: ['-c', plan.cores, plan.command, ...plan.args],
    env: { ...bareEnvironment(), ...plan.env },
    cwd: plan.cwd ?? process.cwd(),
    stopSignal: 'SIGTERM',
    abandonSignal: 'SIGKILL',
    ready: plan.ready,
    folder: undefined,
  });
  const began = performance.now();
  await server.start();
  const readyMs = performance.now() - began;
  const match = plan.ready.exec(server.log());
  const { pid } = server;
  if (match === null || pid === undefined) throw new Error(`${plan.name} ended after its start:\n${server.log()}`);
  return {
    pid,
    match,
    readyMs,
    lastWords: () => (server.pid === undefined ? server.log().slice(-LAST_WORDS) : null),
    stop: server.stop,
  };
};

/** Starts a TypeScript file of the bench that prints `listening ADDRESS`. */
export const startNodeServer = async (
  name: string,
  cores: string,
  file: string,
  args: readonly string[] = [],
): Promise<PinnedProcess & { readonly address: string }> => {
  const server = await startPinned({
    name,
    cores,
    command: process.execPath,
    args: [new URL(file, import.meta.url).pathname, ...args],
    env: {},
    ready: /^listening (\S+)\n/m,
  });
  return { ...server, address: server.match[1] ?? '' };
};
