/** A copy of the service's sources in which single lines were changed. */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** One guard less: a text that stands in a file exactly once, and what stands there instead. */
export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface MutatedSource {
  /** The folder in place of `src`. */
  readonly path: string;
  remove(): void;
}

const MODULES = ['cache', 'events', 'permission', 'clock.ts', 'errors.ts', 'mac.ts', 'with-timeout.ts'].map((part) =>
  join('src', part),
);
const WHOLE = ['src', 'gen', 'package.json'];

/**
 * @param whole Copies all that a process of the service needs, so that its main.ts can be run.
 * @throws when a text is not there exactly once: a guard that was rewritten must not pass for one that was removed.
 */
export const mutate = (edits: readonly Edit[], whole = false): MutatedSource => {
  const folder = mkdtempSync(join(tmpdir(), 'assent-mutation-'));
  const path = join(folder, 'src');
  for (const part of whole ? WHOLE : MODULES) cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const { file, from, to } of edits) {
    const text = readFileSync(join(path, file), 'utf8');
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times: ${from}`);
    writeFileSync(join(path, file), parts.join(to));
  }
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
};
