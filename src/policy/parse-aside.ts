/**
 * Parses a policy file on another thread, so that a reload does not hold the event loop: YAML takes a second for 1 MiB.
 * The thread is made for one file. Pure but for the thread.
 */
import { Worker } from 'node:worker_threads';
import { PolicyError, type PolicyProblem } from '@assent/policy-format';
import type { Policy } from './grants.ts';

/** The answer of the thread: plain data, maps and sets, whose shared parts stay shared. */
export type Parsed =
  | { readonly policy: Policy }
  | { readonly problems: readonly PolicyProblem[] }
  | { readonly error: string };

/** The input of the thread. */
export interface ParseInput {
  readonly text: string;
  readonly file: string;
}

/** Whether a file is parsed at once: in UTF-16 units, and about 10 ms. A thread takes 100 ms and 30 MB. */
export function isSmall(text: string): boolean {
  return text.length <= 8_192;
}

/**
 * Parses a policy file as `parsePolicy` does.
 * @throws {PolicyError} with every problem; another error when the thread fails.
 */
export async function parseAside(text: string, file: string): Promise<Policy> {
  const workerData: ParseInput = { text, file };
  const worker = new Worker(new URL('./parse-worker.ts', import.meta.url), { workerData, execArgv: [] });
  // A stop does not wait for it.
  worker.unref();
  const parsed = await new Promise<Parsed>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
    worker.once('exit', () => reject(new Error('the thread that parses the policy has ended')));
  });
  if ('policy' in parsed) return parsed.policy;
  if ('problems' in parsed) throw new PolicyError(file, parsed.problems);
  throw new Error(parsed.error);
}
