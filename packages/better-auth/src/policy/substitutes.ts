/**
 * Modules that only the bundler or the runtime of a framework has, and what stands for them while an auth.ts is loaded.
 * Nothing of the instance is called, so that functions of theirs need only be there; variables come from the environment.
 */
import { readFileSync } from 'node:fs';

/**
 * The source of the module that stands for one of a framework.
 * @param importer The path of the file that imports it: its imports tell which names have to be there.
 * @returns null for every other module.
 */
export function substituteFor(specifier: string, importer: string | null): string | null {
  const kind = KINDS.find(({ pattern }) => pattern.test(specifier));
  if (kind === undefined) return null;
  const names = new Set(importer === null ? [] : namesImported(specifier, importer));
  const values = new Map(Object.entries(kind.values));
  if (kind.variables === true) for (const name of Object.keys(process.env)) if (IDENTIFIER.test(name)) names.add(name);
  for (const name of values.keys()) names.add(name);
  const expressionFor = (name: string): string =>
    values.get(name) ??
    (kind.variables === true ? `process.env[${JSON.stringify(name)}]` : placeholder(name, specifier));
  return moduleOf([...names].map((name) => [name, expressionFor(name)]));
}

/**
 * The source of the module that stands for one which cannot be read, such as a component with JSX: its exports by name,
 * each a function that throws when it is called.
 * @param source Of the file itself.
 */
export function outlineOf(source: string, file: string): string {
  const names = [
    ...source.matchAll(
      /^export\s+(?:async\s+)?(?:function\*?|const|let|var|class|enum)\s+([\p{ID_Start}$_][\p{ID_Continue}$]*)/gmu,
    ),
  ];
  const lists = [...source.matchAll(/^export\s*\{([^}]*)\}/gm)].flatMap(([, list = '']) =>
    namesOfList(list, 'exported'),
  );
  const all = new Set([
    ...names.map(([, name = '']) => name),
    ...lists,
    ...(/^export\s+default\b/m.test(source) ? ['default'] : []),
  ]);
  return moduleOf([...all].map((name) => [name, placeholder(name, file)]));
}

interface Kind {
  readonly pattern: RegExp;
  /** Expressions of exports that have to have a value. */
  readonly values: Readonly<Record<string, string>>;
  /** Every other export is a variable of the environment. */
  readonly variables?: true;
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

const KINDS: readonly Kind[] = [
  { pattern: /^(?:server|client)-only$/, values: {} },
  { pattern: /^\$env\/static\/(?:private|public)$/, values: {}, variables: true },
  { pattern: /^\$env\/dynamic\/(?:private|public)$/, values: { env: 'process.env' } },
  { pattern: /^astro:env\/(?:server|client)$/, values: { getSecret: '(name) => process.env[name]' }, variables: true },
  { pattern: /^cloudflare:/, values: { env: 'process.env' } },
  {
    pattern: /^\$app\/environment$/,
    values: { browser: 'false', building: 'false', dev: 'false', version: "''" },
  },
  // Next.js, too, where it is installed: its modules want to be loaded by itself.
  { pattern: /^(?:\$app\/|astro:|next\/)/, values: {} },
];

/** The names that a file imports from a module, as the module calls them. */
function namesImported(specifier: string, importer: string): readonly string[] {
  let source: string;
  try {
    source = readFileSync(importer, 'utf8');
  } catch {
    return [];
  }
  const escaped = specifier.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const clauses = source.matchAll(new RegExp(`\\b(?:import|export)\\s+([^'";]*?)\\s*from\\s*(['"])${escaped}\\2`, 'g'));
  return [...clauses].flatMap(([, clause = '']) => {
    if (/^type\s+(?!from\b|,)/.test(clause)) return [];
    const [, list = ''] = /\{([^}]*)\}/.exec(clause) ?? [];
    return [...(/^[\p{ID_Start}$_]/u.test(clause) ? ['default'] : []), ...namesOfList(list, 'imported')];
  });
}

/** The names of `a, type b, c as d`: `a` and `c` where they are imported, `a` and `d` where they are exported. */
function namesOfList(list: string, which: 'imported' | 'exported'): readonly string[] {
  return list.split(',').flatMap((item) => {
    const words = item.trim().split(/\s+/);
    if (words[0] === 'type' && words.length > 1 && words[1] !== 'as') return [];
    const name = (which === 'imported' ? words[0] : words.at(-1)) ?? '';
    return IDENTIFIER.test(name) ? [name] : [];
  });
}

/** A function, which may be a parent class as well. */
function placeholder(name: string, module: string): string {
  const message = `${name} of ${module} is not there while assent-policy loads a file`;
  return `function () { throw new Error(${JSON.stringify(message)}); }`;
}

function moduleOf(exports: readonly (readonly [name: string, value: string])[]): string {
  const lines = exports.map(([name, value], index) => `const _${index} = ${value};\nexport { _${index} as ${name} };`);
  return [...lines, 'export {};', ''].join('\n');
}
