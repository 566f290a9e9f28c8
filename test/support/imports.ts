/** What imports what: the static and dynamic imports of the files of this repository, and what follows from them. */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** By the path of each file, what it imports: files by their paths, packages by their names. Paths begin at the root. */
export type Imports = ReadonlyMap<string, readonly string[]>;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SPECIFIER = /(?:\bfrom|\bimport)\s*\(?\s*'([^'\n]+)'/g;
const WORKSPACE = /^@assent\/([\w-]+)$/;

/** Reads the TypeScript and JavaScript files below these folders. A package of the workspace stands for its folder. */
export function readImports(folders: readonly string[]): Imports {
  return new Map(
    folders
      .flatMap((folder) => filesBelow(folder))
      .map((file) => [file, importsOf(file, readFileSync(posix.join(ROOT, file), 'utf8'))]),
  );
}

/** What a file with this text imports. */
export function importsOf(file: string, text: string): readonly string[] {
  return [...text.matchAll(SPECIFIER)].map(([, name = '']) => {
    const workspace = WORKSPACE.exec(name)?.[1];
    if (workspace !== undefined) return `packages/${workspace}/src/index.ts`;
    return name.startsWith('.') ? posix.join(posix.dirname(file), name) : name;
  });
}

/** The first cycle of a graph, from a node to itself; empty when there is none. */
export function cycleOf(graph: ReadonlyMap<string, Iterable<string>>): readonly string[] {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): readonly string[] => {
    if (path.includes(node)) return [...path.slice(path.indexOf(node)), node];
    if (done.has(node)) return [];
    for (const next of graph.get(node) ?? []) {
      const cycle = visit(next, [...path, node]);
      if (cycle.length > 0) return cycle;
    }
    done.add(node);
    return [];
  };
  for (const node of graph.keys()) {
    const cycle = visit(node, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(posix.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
    .filter((name) => /\.(?:ts|mjs|cjs|js)$/.test(name) && !/(?:^|\/)(?:node_modules|dist)\//.test(name));
}
