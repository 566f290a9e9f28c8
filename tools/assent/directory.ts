import { createDirectory, type Directory, type DirectoryOptions } from '../../src/database/directory.ts';

/** Reads of a database, by default with one connection and without instrumentation. */
export const directoryOf = (url: string, options: Partial<DirectoryOptions> = {}): Directory =>
  createDirectory({
    url,
    size: 1,
    statementTimeoutMs: 5_000,
    overloadWaitMs: 5_000,
    searchPath: null,
    naming: { tables: 'auto', renamed: new Map() },
    onFault: () => {},
    onBadRole: () => {},
    ...options,
  });
