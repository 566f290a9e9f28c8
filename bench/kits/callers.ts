/** Starts the programs that call by a kit, on the load's core. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startChild } from '../child.ts';
import { RowUnavailable } from '../row.ts';
import type { Caller, CallerInput, CallerOrder, CallerResult } from './order.ts';

const run = promisify(execFile);
const GO_MODULE = fileURLToPath(new URL('../../clients/go', import.meta.url));

/** Starts the caller in TypeScript. */
export async function startTypeScriptCaller(
  cores: string,
  input: CallerInput,
  stack: AsyncDisposableStack,
): Promise<Caller> {
  const child = startChild(cores, './kits/typescript-client.ts', []);
  stack.defer(() => child.stop());
  await child.ask(input);
  return { measure: (order) => child.ask<CallerResult>(order) };
}

/**
 * Builds and starts the caller in Go.
 * @param folder For the program.
 * @throws {RowUnavailable} where Go is missing.
 */
export async function startGoCaller(
  cores: string,
  input: CallerInput,
  folder: string,
  stack: AsyncDisposableStack,
): Promise<Caller> {
  const program = await buildGoCaller(folder);
  const child = spawn('taskset', ['-c', cores, program, '-orders'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async (message: CallerInput | CallerOrder): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(message)}\n`);
    const { done, value } = await lines.next();
    if (done === true) throw new Error('the caller in Go ended instead of answering');
    return JSON.parse(value);
  };
  // A write to a program that has ended is seen at the end of its output.
  child.stdin.on('error', () => {});
  stack.defer(async () => {
    child.stdin.end();
    await ended;
  });
  await ask(input);
  return { measure: async (order) => (await ask(order)) as CallerResult };
}

/**
 * Builds the caller in Go.
 * @param environment Where `go` is looked for.
 * @returns The program's path.
 * @throws {RowUnavailable} where Go is missing.
 */
export async function buildGoCaller(folder: string, environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const program = join(folder, 'go-caller');
  try {
    await run('go', ['build', '-o', program, './internal/bench'], { cwd: GO_MODULE, env: environment });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new RowUnavailable('Go is not installed');
    }
    throw error;
  }
  return program;
}
