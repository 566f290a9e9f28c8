/** Pools and reads of tests, and their outcomes as text. */
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Directory } from '../../../src/database/directory.ts';
import { createDatabase, type Database, type PoolOptions } from '../../../src/database/pool.ts';
import { AssentError } from '../../../src/errors.ts';

/** A pool of two connections that ends with the test. */
export function poolOf(url: string, options: Partial<PoolOptions> = {}): Database {
  const database = createDatabase({
    ...{ url, size: 2, statementTimeoutMs: 1_000, overloadWaitMs: 200, onFault: () => {} },
    ...options,
  });
  onTestFinished(() => database.end());
  return database;
}

/** The row of a statement that selects one number as `n`. */
export const numberRow = z.object({ n: z.number() });

/** `OK`, the code of an AssentError, or the text of another error. */
export function outcomeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'OK',
    (error: unknown) => (error instanceof AssentError ? error.code : `not an AssentError: ${String(error)}`),
  );
}

/** `found`, or the error with which the detection of the schema fails. */
export function detectionOf(directory: Directory): Promise<string> {
  return directory.schema().then(() => 'found', String);
}
