/** The thread of parse-aside.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { PolicyError, parsePolicy } from './file.ts';
import type { Parsed, ParseInput } from './parse-aside.ts';

parentPort?.postMessage(parse(workerData as ParseInput));

function parse({ text, file }: ParseInput): Parsed {
  try {
    return { policy: parsePolicy(text, file) };
  } catch (error) {
    return error instanceof PolicyError ? { problems: error.problems } : { error: String(error) };
  }
}
