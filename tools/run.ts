/** Runs a program to its end. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Resolves with both outputs as text; rejects when the program cannot be started or ends with another code than 0. */
export const run = promisify(execFile);
