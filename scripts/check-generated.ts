/** Fails when `gen/` is not what `npm run generate` makes of `proto/` now: generates beside it and compares. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const committed = join(import.meta.dirname, '..', 'gen');
const fresh = mkdtempSync(join(tmpdir(), 'assent-gen-'));

const files = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .toSorted();

try {
  // `-o` is put in front of each plugin's own folder.
  execFileSync('buf', ['generate', '--clean=false', '-o', fresh], { stdio: 'inherit' });
  const generated = join(fresh, 'gen');
  const names = new Set([...files(committed), ...files(generated)]);
  const stale = [...names].filter((name) => {
    const [before, after] = [join(committed, name), join(generated, name)];
    return !existsSync(before) || !existsSync(after) || !readFileSync(before).equals(readFileSync(after));
  });
  if (stale.length > 0) {
    process.stderr.write(
      `gen/ is not fresh (${stale.join(', ')}): run "npm run generate" and commit what it changes.\n`,
    );
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
