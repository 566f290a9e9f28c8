/**
 * Gives the Go kit another module path: `node scripts/go-module-path.ts github.com/example/assent/clients/go`. The path stands in
 * go.mod of each module, in imports and in the template of the generated code, which is generated again and needs Go.
 * A second argument is another root than this repository, of which only the texts are changed.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isGoModulePath, moved } from './go-module-path/moved.ts';

const FOLDERS = ['clients/go', 'examples', 'docs/use'];
const KINDS = /\.(?:go|mod|yaml|md)$/;
const HERE = fileURLToPath(new URL('..', import.meta.url));

const [next = '', root = HERE] = process.argv.slice(2);
if (!isGoModulePath(next)) {
  process.stderr.write('usage: node scripts/go-module-path.ts github.com/owner/repository/clients/go\n');
  process.exit(2);
}
const current = /^module (\S+)$/m.exec(readFileSync(join(root, 'clients/go/go.mod'), 'utf8'))?.[1] ?? '';
let changed = 0;
for (const folder of FOLDERS) for (const file of filesOf(join(root, folder))) changed += change(file) ? 1 : 0;
if (root === HERE) {
  execFileSync('npx', ['buf', 'generate', '--template', 'clients/go/buf.gen.yaml'], { cwd: root, stdio: 'inherit' });
}
process.stdout.write(`${current} is ${next} in ${changed} files\n`);

function change(file: string): boolean {
  const before = readFileSync(file, 'utf8');
  const after = moved(before, current, next);
  if (after === before) return false;
  writeFileSync(file, after);
  return true;
}

/** The files with texts below a folder, without what is generated. */
function filesOf(folder: string): readonly string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === 'node_modules' || entry.name === 'gen') return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesOf(path);
    return KINDS.test(entry.name) ? [path] : [];
  });
}
