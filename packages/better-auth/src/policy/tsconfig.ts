/** Resolves the path aliases of tsconfig.json and jsconfig.json (`paths`, `baseUrl`), which Node does not know. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';

/**
 * The paths that an import may mean by an alias, in the order of their likelihood, without an ending where the import has none.
 * @param importer The path of the importing file: the configurations of its folder and of all folders above it apply.
 */
export function pathsByAlias(specifier: string, importer: string): readonly string[] {
  const found: string[] = [];
  for (let folder = dirname(importer); ; folder = dirname(folder)) {
    for (const aliases of aliasesOf(folder)) found.push(...targetsOf(specifier, aliases));
    // SvelteKit writes its configuration when it runs, so that it may be missing.
    if (specifier.startsWith('$lib/') && existsSync(join(folder, 'package.json'))) {
      found.push(join(folder, 'src/lib', specifier.slice('$lib/'.length)));
    }
    if (folder === dirname(folder)) return found;
  }
}

interface Aliases {
  readonly paths: Readonly<Record<string, readonly string[]>>;
  /** The folder that the targets of `paths` are relative to. */
  readonly pathsBase: string;
  readonly baseUrl: string | null;
}

interface Configuration {
  readonly extends?: unknown;
  readonly references?: unknown;
  readonly compilerOptions?: { readonly paths?: unknown; readonly baseUrl?: unknown };
}

const known = new Map<string, readonly Aliases[]>();

/** The aliases of the configuration in a folder, and of its references: the configuration may only list others. */
function aliasesOf(folder: string): readonly Aliases[] {
  const cached = known.get(folder);
  if (cached !== undefined) return cached;
  const file = ['tsconfig.json', 'jsconfig.json'].map((name) => join(folder, name)).find(isFile);
  const aliases: Aliases[] = [];
  if (file !== undefined) {
    aliases.push(aliasesOfFile(file, folder, new Set()));
    for (const reference of listOf(read(file).references)) {
      const path = resolve(folder, String(Reflect.get(Object(reference), 'path') ?? ''));
      const referred = isFile(path) ? path : join(path, 'tsconfig.json');
      if (isFile(referred)) aliases.push(aliasesOfFile(referred, dirname(referred), new Set()));
    }
  }
  known.set(folder, aliases);
  return aliases;
}

/** @param configDir The value of `${configDir}`: the folder of the configuration that extends all others. */
function aliasesOfFile(file: string, configDir: string, seen: Set<string>): Aliases {
  if (seen.has(file)) return { paths: {}, pathsBase: configDir, baseUrl: null };
  seen.add(file);
  const folder = dirname(file);
  const { extends: parents, compilerOptions } = read(file);
  let aliases: Aliases = { paths: {}, pathsBase: folder, baseUrl: null };
  for (const parent of listOf(parents)) {
    const path = typeof parent === 'string' ? pathOfParent(parent, file) : null;
    if (path === null) continue;
    const inherited = aliasesOfFile(path, configDir, seen);
    aliases = Object.keys(inherited.paths).length > 0 || inherited.baseUrl !== null ? inherited : aliases;
  }
  const inPlace = (text: string): string => text.replaceAll(/\$\{configDir\}/g, () => configDir);
  const { baseUrl, paths } = compilerOptions ?? {};
  if (typeof baseUrl === 'string') aliases = { ...aliases, baseUrl: resolve(folder, inPlace(baseUrl)) };
  if (typeof paths === 'object' && paths !== null) {
    const targets = Object.entries(paths).map(
      ([pattern, list]) => [pattern, listOf(list).map((target) => inPlace(String(target)))] as const,
    );
    aliases = { ...aliases, paths: Object.fromEntries(targets), pathsBase: aliases.baseUrl ?? folder };
  }
  return aliases;
}

function targetsOf(specifier: string, { paths, pathsBase, baseUrl }: Aliases): readonly string[] {
  const matches = Object.entries(paths).flatMap(([pattern, targets]) => {
    const [before = '', after] = pattern.split('*', 2);
    if (after === undefined) return pattern === specifier ? [{ before, matched: '', targets }] : [];
    const fits =
      specifier.length >= before.length + after.length && specifier.startsWith(before) && specifier.endsWith(after);
    const matched = specifier.slice(before.length, specifier.length - after.length);
    return fits ? [{ before, matched, targets }] : [];
  });
  // The longest prefix wins, as in TypeScript.
  const [best] = matches.toSorted((left, right) => right.before.length - left.before.length);
  const found = (best?.targets ?? []).map((target) =>
    resolve(
      pathsBase,
      target.replace('*', () => best?.matched ?? ''),
    ),
  );
  return baseUrl === null || isAbsolute(specifier) ? found : [...found, resolve(baseUrl, specifier)];
}

/** The file that `extends` names: a path, or a file of a package. */
function pathOfParent(name: string, file: string): string | null {
  const withEnding = (path: string): string | null =>
    [path, `${path}.json`, join(path, 'tsconfig.json')].find(isFile) ?? null;
  if (/^\.{0,2}\//.test(name) || name === '..' || name === '.') return withEnding(resolve(dirname(file), name));
  const require = createRequire(file);
  for (const candidate of [name, `${name}.json`, `${name}/tsconfig.json`]) {
    try {
      const path = require.resolve(candidate);
      if (extname(path) === '.json') return path;
    } catch {
      // The next form may be there.
    }
  }
  return null;
}

/** Reads a configuration. A broken one has no aliases; the import that needs them fails with its own message. */
function read(file: string): Configuration {
  try {
    const parsed: unknown = JSON.parse(withoutComments(readFileSync(file, 'utf8')));
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    return {};
  }
}

/** Removes comments, and commas before closing brackets, which JSON does not allow. */
function withoutComments(text: string): string {
  return text
    .replace(/^\uFEFF/, '')
    .replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, (_, quoted: string | undefined) => quoted ?? ' ')
    .replaceAll(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, (_, quoted: string | undefined) => quoted ?? '');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
}

/** Whether there is a file at a path, and not a folder. */
export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
