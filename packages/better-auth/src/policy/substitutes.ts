/**
 * Substitutes for modules that only the bundler or the runtime of a framework has. The exporter calls nothing of the instance,
 * so that a function of such a module need only exist; variables come from the environment.
 */
import { readFileSync } from 'node:fs';

/**
 * The source of the substitute for a module of a framework.
 * @param importer The path of the importing file: its imports are the names that the substitute exports.
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
 * The source of the substitute for a file that the runtime cannot read, such as a component with JSX. It has the exports of
 * the file, each as a function that throws.
 * @param source The source of the file.
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
  /** The exports that need a value, each with its expression. */
  readonly values: Readonly<Record<string, string>>;
  /** Whether every other export is a variable of the environment. */
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
  // Modules of Next.js throw outside of Next.js, so that an installed one is substituted, too.
  { pattern: /^(?:\$app\/|astro:|next\/)/, values: {} },
];

/** The names that a file imports from a module, as the module exports them. */
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

/** The names in `a, type b, c as d`: `a` and `c` of an import, `a` and `d` of an export. */
function namesOfList(list: string, which: 'imported' | 'exported'): readonly string[] {
  return list.split(',').flatMap((item) => {
    const words = item.trim().split(/\s+/);
    if (words[0] === 'type' && words.length > 1 && words[1] !== 'as') return [];
    const name = (which === 'imported' ? words[0] : words.at(-1)) ?? '';
    return IDENTIFIER.test(name) ? [name] : [];
  });
}

/** A function that throws when called. It can also be the parent of a class. */
function placeholder(name: string, module: string): string {
  const message = `${name} of ${module} is not there while assent-policy loads a file`;
  return `function () { throw new Error(${JSON.stringify(message)}); }`;
}

function moduleOf(exports: readonly (readonly [name: string, value: string])[]): string {
  const lines = exports.map(([name, value], index) => `const _${index} = ${value};\nexport { _${index} as ${name} };`);
  return [...lines, 'export {};', ''].join('\n');
}
