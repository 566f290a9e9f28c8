/** A folder of the calling test file alone, which is gone after its last test. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

export interface TestFolder {
  readonly path: string;
  /** Writes a file there; returns its path. */
  file(name: string, text: string): string;
}

export const testFolder = (): TestFolder => {
  const path = mkdtempSync(join(tmpdir(), 'assent-test-'));
  afterAll(() => rmSync(path, { recursive: true }));
  return {
    path,
    file: (name, text) => {
      const written = join(path, name);
      writeFileSync(written, text);
      return written;
    },
  };
};
