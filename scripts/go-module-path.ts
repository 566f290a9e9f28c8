/**
 * Gives the Go kit another module path: `node scripts/go-module-path.ts github.com/example/assent/clients/go`. The path stands in
 * go.mod of each module, in imports, in the generated code and in the template that makes it, and in examples and documents.
 * A second folder as an argument is changed in place of this repository's.
 */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isGoModulePath, moved } from './go-module-path/moved.ts';

const FOLDERS = ['clients/go', 'examples', 'docs'];
const KINDS = /\.(?:go|mod|sum|yaml|md)$/;

const [next = '', root = fileURLToPath(new URL('..', import.meta.url))] = process.argv.slice(2);
if (!isGoModulePath(next)) {
  process.stderr.write('usage: node scripts/go-module-path.ts github.com/owner/repository/clients/go\n');
  process.exit(2);
}
const current = /^module (\S+)$/m.exec(readFileSync(join(root, 'clients/go/go.mod'), 'utf8'))?.[1] ?? '';
let changed = 0;
for (const folder of FOLDERS) for (const file of filesOf(join(root, folder))) changed += change(file) ? 1 : 0;
process.stdout.write(`${current} is ${next} in ${changed} files\n`);

function change(file: string): boolean {
  const before = readFileSync(file);
  const after = moved(before, current, next);
  if (after.equals(before)) return false;
  writeFileSync(file, after);
  return true;
}

function filesOf(folder: string): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules') return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(path);
    return KINDS.test(entry.name) ? [path] : [];
  });
}
