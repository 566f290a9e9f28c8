/** The services of this folder: how each is built, started and ended. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from '../tools/run.ts';

/** A service of this folder that runs. */
export interface Example {
  /** The base URL of an HTTP service, the `host:port` of a gRPC service. */
  readonly address: string;
  stop(): Promise<void>;
}

/** How a service of this folder is made a program. */
export interface ExampleProgram {
  readonly name: string;
  readonly language: 'go' | 'typescript';
  readonly speaks: 'http' | 'grpc';
  /** @throws the compiler's output. */
  build(folder: string): Promise<{ readonly file: string; readonly args: readonly string[] }>;
}

export const EXAMPLES: readonly ExampleProgram[] = [
  { name: 'go-echo', language: 'go', speaks: 'http', build: (folder) => buildGo('go-echo', folder) },
];

/**
 * Starts a built service on a free port, with Assent at `assentAddress`.
 * @throws when the program ends before it listens.
 */
export async function startExample(
  { file, args }: { readonly file: string; readonly args: readonly string[] },
  assentAddress: string,
): Promise<Example> {
  const env = { ...process.env, ASSENT_ADDRESS: assentAddress, PORT: '0' };
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const listening = (async () => {
    for await (const line of createInterface(child.stdout)) {
      const address = /^listening on (\S+)$/.exec(line)?.[1];
      if (address !== undefined) return address;
    }
    throw new Error(`${file} ended before it listened`);
  })();
  const address = await listening;
  return {
    address,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

async function buildGo(name: string, folder: string) {
  const file = join(folder, name);
  await run('go', ['build', '-o', file, '.'], { cwd: fileURLToPath(new URL(name, import.meta.url)) });
  return { file, args: [] };
}
