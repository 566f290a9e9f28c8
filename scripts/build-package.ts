/**
 * Builds the package of the current folder, as its `prepack` does: one JavaScript module for each source, with the sources
 * of the workspace packages that they import, and the declarations that users see. The workspace packages are in no
 * registry, so that a tarball without them could not be installed.
 *
 * `node ../../scripts/build-package.ts [FOLDER]`; FOLDER is `dist` when absent.
 */
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { rolldown } from 'rolldown';

interface Manifest {
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

const folder = process.cwd();
const source = join(folder, 'src');
const target = process.argv[2] ?? join(folder, 'dist');
const manifest: Manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
/** What `npm install` puts beside the package. */
const installed = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies });

rmSync(target, { recursive: true, force: true });
await buildModules();
// A package with a command only has nothing to import.
if (existsSync(join(source, 'index.ts'))) buildDeclarations();

/** One module for each source, so that a stack trace of an application names it. */
async function buildModules(): Promise<void> {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const bundle = await rolldown({
    input: Object.fromEntries(files.map((name) => [name.replace(/\.ts$/, ''), join(source, name)])),
    external: (name) => name.startsWith('node:') || isInstalled(name),
    platform: 'node',
    // The oldest Node of its `engines`.
    transform: { target: 'node20' },
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  await bundle.write({
    dir: target,
    format: 'esm',
    preserveModules: true,
    preserveModulesRoot: source,
    entryFileNames: '[name].js',
  });
  await bundle.close();
}

/** The declarations of each export and the files that they import. A type of another workspace package is none that users could resolve. */
function buildDeclarations(): void {
  const declarations = mkdtempSync(join(tmpdir(), 'assent-build-'));
  try {
    const compiler = join(import.meta.dirname, '../node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [compiler, '-p', folder, '--outDir', declarations], { stdio: 'inherit' });
    for (const name of entryNames()) {
      copyDeclaration(join(declarations, relative(rootFolder(), source), `${name}.d.ts`), `${name}.d.ts`);
    }
  } finally {
    rmSync(declarations, { recursive: true, force: true });
  }
}

/** `index`, and the other exports of the manifest. */
function entryNames(): readonly string[] {
  return Object.keys(manifest.exports ?? { '.': {} })
    .filter((name) => name !== './package.json')
    .map((name) => (name === '.' ? 'index' : name.slice('./'.length)));
}

/** What the compiler's output folder mirrors: the `rootDir` of the package. */
function rootFolder(): string {
  const { compilerOptions } = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8'));
  return join(folder, compilerOptions.rootDir);
}

function copyDeclaration(from: string, name: string): void {
  const to = join(target, name);
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  for (const [, specifier = ''] of readFileSync(from, 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)) {
    if (specifier.startsWith('./')) {
      const next = specifier.replace(/\.[jt]s$/, '.d.ts');
      copyDeclaration(join(dirname(from), next), join(dirname(name), next));
    } else if (!isInstalled(specifier)) throw new Error(`${name} has types of ${specifier}, which is not installed`);
  }
}

function isInstalled(specifier: string): boolean {
  return installed.some((name) => specifier === name || specifier.startsWith(`${name}/`));
}
