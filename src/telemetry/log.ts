/** The log: JSON lines on stdout, by pino. */
import { type Logger, pino } from 'pino';
import { createLineWriter } from './line-writer.ts';

export type { Logger };

/**
 * Creates the log. Nothing that is logged may hold a token or a secret; the redaction is the second line of defence, for
 * errors of libraries that carry what they were given.
 */
export const createLog = (level: string): Logger =>
  pino(
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
