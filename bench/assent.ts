/** Assent as shipped, bound to a core, by the command line of `npm start`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { startPinned } from './pinned-process.ts';

const ROOT = new URL('..', import.meta.url);
const packageSchema = z.object({ scripts: z.object({ start: z.string() }) });

/** What `npm start` runs last, as arguments of node, with the environment that it sets. */
export const startCommand = (): {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
} => {
  const { scripts } = packageSchema.parse(JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')));
  const words = (scripts.start.split('&&').at(-1) ?? '').trim().split(/\s+/);
  const node = words.indexOf('node');
  if (node < 0) throw new Error('npm start does not end with a command of node');
  const env = Object.fromEntries(words.slice(0, node).map((word) => word.split('=', 2)));
  return { args: words.slice(node + 1), env };
};

export interface RunningAssent {
  readonly pid: number;
  readonly grpcAddress: string;
  readonly httpUrl: string;
  /** From the start of the process to SERVING, in milliseconds. */
  readonly readyMs: number;
  /** See PinnedProcess. */
  lastWords(): string | null;
  stop(): Promise<void>;
}

/**
 * Starts Assent and waits until it serves.
 * @param environment On top of free ports of 127.0.0.1.
 * @param nodeArgs On top of what `npm start` gives node.
 */
export const startAssent = async (
  cores: string,
  environment: Readonly<Record<string, string>>,
  nodeArgs: readonly string[] = [],
): Promise<RunningAssent> => {
  const { args, env } = startCommand();
  const server = await startPinned({
    name: 'Assent',
    cores,
    command: process.execPath,
    args: [...nodeArgs, ...args],
    env: { ...env, ASSENT_GRPC_ADDRESS: '127.0.0.1:0', ASSENT_HTTP_ADDRESS: '127.0.0.1:0', ...environment },
    ready: /^.*"event":"service\.serving".*"grpc":"([^"]+)".*"http":"([^"]+)".*\n/m,
    cwd: fileURLToPath(ROOT),
  });
  const [, grpcAddress = '', http = ''] = server.match;
  const { pid, readyMs, lastWords, stop } = server;
  return { pid, grpcAddress, httpUrl: `http://${http}`, readyMs, lastWords, stop };
};
