/** The log: JSON lines on stdout, by pino. Every line has an `event`, by which tests and operators match. */
import { type Logger, pino } from 'pino';
import { describeError } from '../errors.ts';
import { createLineWriter } from './line-writer.ts';

export type { Logger };

/**
 * Creates the log. No logged value may hold a token or a secret. The redaction is the second line of defence, for errors of
 * libraries that carry their input.
 * @param level The least severe level that is written: one of pino's names, or `silent`.
 */
export function createLog(level: string): Logger {
  return pino(
    {
      level,
      base: { service: 'assent', pid: process.pid },
      redact: {
        paths: ['*.token', '*.authorization', '*.password', '*.values', '*.connectionString'],
        censor: '[removed]',
      },
    },
    createLineWriter(process.stdout.fd),
  );
}

/**
 * The fields of a defect: its text as `error`, which is the key and type of every error in the log, and its stack with those
 * of its causes. Texts only: the error objects of libraries carry statements and their values.
 */
export function defectFields(error: unknown): { readonly error: string; readonly stack: string } {
  const stacks: string[] = [];
  for (let current = error; current instanceof Error && stacks.length < 4; current = current.cause) {
    stacks.push(current.stack ?? current.message);
  }
  return { error: describeError(error), stack: stacks.join('\ncaused by: ') };
}
