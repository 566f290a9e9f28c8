/** Makes the runtime import as bundlers do: omitted file endings, path aliases, JSON, `import.meta.env`. */
import { readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { outlineOf, substituteFor } from './substitutes.ts';
import { isFile, pathsByAlias } from './tsconfig.ts';

/** The `code` of the error for a file with JSX. */
export const JSX = 'ASSENT_JSX';

/**
 * Installs hooks, as far as the runtime has them: from now on this process imports as a bundler does.
 * @param entry The path of the file that will be imported first.
 */
export function importAsBundlers(entry: string): void {
  if ('Bun' in globalThis) {
    substituteInBun(Reflect.get(globalThis, 'Bun') as Bun);
    return;
  }
  if (typeof nodeModule.registerHooks !== 'function') return;
  nodeModule.registerHooks({
    resolve: resolveImport,
    load: (url, context, next) => loadModule(url, context, next, entry),
  });
}

/** The used part of Bun, which itself knows aliases, endings, JSON and JSX. */
interface Bun {
  plugin(plugin: { readonly name: string; setup(build: BunBuild): void }): void;
}
interface BunModule {
  readonly contents: string;
  readonly loader: string;
}
interface BunBuild {
  module(specifier: string, load: () => BunModule): void;
  onLoad(on: { readonly filter: RegExp }, load: (file: { readonly path: string }) => BunModule): void;
}

/** Bun has no hook for the resolution of packages: the imports of the application's files are rewritten as Bun reads them. */
function substituteInBun(bun: Bun): void {
  let count = 0;
  bun.plugin({
    name: 'assent-policy',
    setup: (build) => {
      // Not only the application imports these: packages do, too.
      for (const name of ['server-only', 'client-only']) {
        build.module(name, () => ({ contents: substituteFor(name, null) ?? '', loader: 'js' }));
      }
      build.onLoad({ filter: /^(?!.*\/node_modules\/).*\.m?[jt]sx?$/ }, ({ path }) => {
        const specifiers = /(\b(?:from|import)\s*\(?\s*)(['"])([^'"\n]+)\2/g;
        const contents = readFileSync(path, 'utf8').replaceAll(specifiers, (whole, before, quote, specifier) => {
          const source = substituteFor(specifier, path);
          if (source === null) return whole;
          count += 1;
          const name = `assent-policy-${count}`;
          build.module(name, () => ({ contents: source, loader: 'js' }));
          return `${before}${quote}${name}${quote}`;
        });
        return { contents, loader: /(?:ts|js)x?$/.exec(path)?.[0] ?? 'js' };
      });
    },
  });
}

const ENDINGS = ['.ts', '.tsx', '.mts', '.cts', '.js', '.jsx', '.mjs', '.cjs', '.json'];

type Resolve = NonNullable<nodeModule.RegisterHooksOptions['resolve']>;
type Load = NonNullable<nodeModule.RegisterHooksOptions['load']>;

/** Resolves `./db` and `./db.js` to `./db.ts`, and `@/db` by the aliases of tsconfig.json. */
const resolveImport: Resolve = (specifier, context, next) => {
  const importer = context.parentURL?.startsWith('file:') === true ? fileURLToPath(context.parentURL) : null;
  const source = substituteFor(specifier, importer);
  if (source !== null) {
    return { url: `data:text/javascript,${encodeURIComponent(source)}`, format: 'module', shortCircuit: true };
  }
  try {
    return withoutJsonAttribute(next(specifier, context));
  } catch (error) {
    if (importer === null) throw error;
    for (const candidate of candidatesFor(specifier, importer)) {
      try {
        return withoutJsonAttribute(next(candidate, context));
      } catch {
        // The next candidate may be there.
      }
    }
    throw error;
  }
};

function candidatesFor(specifier: string, importer: string): readonly string[] {
  const [name = '', query] = specifier.split('?', 2);
  const suffix = query === undefined ? '' : `?${query}`;
  const paths = /^\.{1,2}(?:\/|$)/.test(name)
    ? [fileURLToPath(new URL(name, pathToFileURL(importer)))]
    : pathsByAlias(name, importer);
  const files = paths.map(fileOf).filter((path) => path !== null);
  // Of packages without "exports", Node requires whole file names.
  const ofPackage = /^[^./]/.test(name) ? [`${name}.js`, `${name}/index.js`] : [];
  return [...files.map((path) => pathToFileURL(path).href + suffix), ...ofPackage];
}

function fileOf(path: string): string | null {
  const withoutEnding = path.replace(/\.[cm]?jsx?$/, '');
  const endings = ENDINGS.map((ending) => withoutEnding + ending);
  const candidates = [path, ...(withoutEnding === path ? [] : endings), ...ENDINGS.map((ending) => path + ending)];
  return [...candidates, ...ENDINGS.map((ending) => `${path}/index${ending}`)].find(isFile) ?? null;
}

/** Removes the attribute `type: 'json'`: {@link moduleOfJson} loads JSON as a module, and Node would refuse the attribute. */
function withoutJsonAttribute<Resolved extends { url: string }>(resolved: Resolved): Resolved {
  return /^file:.*\.json(?:\?|$)/.test(resolved.url) ? { ...resolved, importAttributes: {} } : resolved;
}

const CODE = new Set(['.js', '.mjs', '.cjs', '.jsx', '.ts', '.mts', '.cts', '.tsx', '.node', '.wasm', '']);

function loadModule(
  url: string,
  context: Parameters<Load>[1],
  next: Parameters<Load>[2],
  entry: string,
): ReturnType<Load> {
  if (!url.startsWith('file:')) return next(url, context);
  const path = fileURLToPath(url);
  const ending = extname(path);
  const imported = !context.conditions.includes('require');
  if (ending === '.json' && imported) return moduleOfJson(readFileSync(path, 'utf8'), path);
  // Style sheets, images and templates: their text is the default export.
  if (ending !== '.json' && !CODE.has(ending)) {
    return asModule(`export default ${JSON.stringify(readFileSync(path, 'utf8'))};`);
  }
  if (path.includes('/node_modules/') || ['.node', '.wasm', ''].includes(ending)) return next(url, context);
  if (/^\.[jt]sx$/.test(ending)) return asModule(withEnvironment(compile(readFileSync(path, 'utf8'), path, entry)));
  const source = readFileSync(path, 'utf8');
  // A source with module syntax is a module, also in a package of "type": "commonjs": `npm init` writes this type, and the
  // source may be meant for a compiler that emits CommonJS.
  const isModule = /^\.m[jt]s$/.test(ending) || (/^\.[jt]s$/.test(ending) && MODULE_SYNTAX.test(source));
  if (!isModule) return next(url, context);
  return asModule(withEnvironment(/ts$/.test(ending) ? compile(source, path, entry) : source));
}

const MODULE_SYNTAX = /^(?:import\s*["'{*\w$]|export\s*[{*\w])/m;

function asModule(source: string): ReturnType<Load> {
  return { format: 'module', source, shortCircuit: true };
}

function moduleOfJson(text: string, path: string): ReturnType<Load> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new SyntaxError(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  const keys = typeof value === 'object' && value !== null ? Object.keys(value) : [];
  const named = keys.map(
    (key, index) => `const _${index} = json[${JSON.stringify(key)}];\nexport { _${index} as ${JSON.stringify(key)} };`,
  );
  return asModule([`const json = ${JSON.stringify(value)};`, 'export default json;', ...named].join('\n'));
}

/** Strips the types of TypeScript; compiles enums and the like where the runtime can. */
function compile(source: string, path: string, entry: string): string {
  const { stripTypeScriptTypes } = nodeModule;
  if (typeof stripTypeScriptTypes !== 'function') return source;
  try {
    return stripTypeScriptTypes(source);
  } catch (error) {
    try {
      return stripTypeScriptTypes(source, { mode: 'transform' });
    } catch {
      if (!/\.[jt]sx$/.test(path)) throw error;
      // A component: no role depends on it.
      if (path !== entry) return outlineOf(source, path);
      const message = error instanceof Error ? error.message : String(error);
      throw Object.assign(new SyntaxError(message), { code: JSX });
    }
  }
}

/** Defines the variables of Vite and Astro, on the first line, so that all lines keep their numbers. */
function withEnvironment(source: string): string {
  if (!source.includes('import.meta.env') || source.startsWith('#!')) return source;
  const own = "{ MODE: 'production', DEV: false, PROD: true, SSR: true, BASE_URL: '/', ...process.env }";
  return `import.meta.env ??= ${own}; ${source}`;
}
