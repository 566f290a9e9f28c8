/**
 * A copy of the service's sources without some of its guards.
 *
 * A guard is marked in the source by a comment on the line before it: `// guard: predicate-on-memory`. The marker stands
 * for the statement, the operand, the argument or the property that begins on the next line and goes on over all lines that
 * are indented deeper, its closing bracket included. What takes its place stands in the lists of the tests.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** Makes the code in place of a guard from the code of the guard. */
export type Replacement = (code: string) => string;

/** One guard less, by the name of its marker. */
export interface Edit {
  readonly guard: string;
  readonly to: Replacement;
}

export interface MutatedSource {
  /** The folder in place of `src`. */
  readonly path: string;
  remove(): void;
}

const MODULES = [
  'admission',
  'facts',
  'invalidation',
  'policy',
  'clock.ts',
  'errors.ts',
  'mac.ts',
  'with-timeout.ts',
].map((part) => join('src', part));
const WHOLE = ['src', 'gen', 'package.json'];

/**
 * Copies the sources and edits the copy.
 * @param whole Copies all that a process of the service needs, so that its main.ts can be run.
 * @throws when a marker is missing or stands twice, or when an edit changes nothing.
 */
export function mutate(edits: readonly Edit[], whole = false): MutatedSource {
  const folder = mkdtempSync(join(tmpdir(), 'assent-mutation-'));
  const path = join(folder, 'src');
  for (const part of whole ? WHOLE : MODULES) cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const files = sourcesIn(path);
  for (const edit of edits) {
    const [found, ...more] = files.filter((file) => markersIn(readFileSync(file, 'utf8')).includes(edit.guard));
    if (found === undefined || more.length > 0) throw new Error(`one file should have the guard ${edit.guard}`);
    writeFileSync(found, withoutGuard(readFileSync(found, 'utf8'), edit));
  }
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** All markers in the sources of the service, in no order; a marker that stands twice is listed twice. */
export function allMarkers(): readonly string[] {
  return sourcesIn(join(root, 'src')).flatMap((file) => markersIn(readFileSync(file, 'utf8')));
}

/** The statement is gone. */
export const removed: Replacement = () => '';

/** Other code takes the place of the statement, operand, argument or property; what joins it to the next one stays. */
export function by(code: string): Replacement {
  return (guard) => code + (/(?: (?:&&|\|\|)|,|;)?$/.exec(guard)?.[0] ?? '');
}

/** Other code takes the place of the condition of `if (…)`, or of `… ? … : …` that is returned or assigned. */
export function condition(code: string): Replacement {
  return (guard) => {
    if (!guard.startsWith('if ('))
      return replacePart(guard, /^((?:return|const [^=]+ =) )(.*?)(\s+\? .*)$/s, () => code);
    const end = endOfBrackets(guard, 'if '.length);
    return `if (${code}${guard.slice(end)}`;
  };
}

/** Code that is made from the value takes the place of the value that is returned, assigned or given to a property. */
export function value(make: Replacement): Replacement {
  return (guard) => replacePart(guard, /^((?:return |const [^=]+ = |\w+ = |\w+: ))(.*)([;,])$/s, make);
}

/** The source with other code in place of one guard; its marker is gone too. */
export function withoutGuard(source: string, { guard, to }: Edit): string {
  const lines = source.split('\n');
  const at = lines.findIndex((line) => line.trim() === marker(guard));
  if (at < 0) throw new Error(`there is no guard ${guard}`);
  const first = lines[at + 1] ?? '';
  const indentation = first.length - first.trimStart().length;
  const isPart = (line: string): boolean => {
    const depth = line.length - line.trimStart().length;
    return line !== '' && (depth > indentation || (depth === indentation && /^[)\]}]/.test(line.trimStart())));
  };
  let end = at + 2;
  while (isPart(lines[end] ?? '')) end += 1;
  const code = lines
    .slice(at + 1, end)
    .join('\n')
    .trim();
  const replaced = to(code);
  if (replaced === code) throw new Error(`the edit of ${guard} changes nothing`);
  return [...lines.slice(0, at), replaced, ...lines.slice(end)].join('\n');
}

function marker(guard: string): string {
  return `// guard: ${guard}`;
}

function markersIn(source: string): readonly string[] {
  return [...source.matchAll(/^\s*\/\/ guard: (.*)$/gm)].map(([, name = '']) => name);
}

function sourcesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

function replacePart(guard: string, parts: RegExp, make: Replacement): string {
  const [, before, part, after] = parts.exec(guard) ?? [];
  if (part === undefined) throw new Error(`there is nothing of that form to replace in: ${guard}`);
  return `${before}${make(part)}${after}`;
}

/** Where the bracket closes that opens at `start`. */
function endOfBrackets(code: string, start: number): number {
  let depth = 0;
  for (let at = start; at < code.length; at += 1) {
    if (code[at] === '(') depth += 1;
    if (code[at] === ')') depth -= 1;
    if (depth === 0) return at;
  }
  throw new Error(`a bracket does not close in: ${code}`);
}
