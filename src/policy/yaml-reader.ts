/** Reads a YAML document with the position of every problem. Maps stay maps: a key `__proto__` is a key. Pure. */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type YAMLMap,
} from 'yaml';

/** One problem and where it is; lines and columns count from 1. */
export interface Problem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** A value of the document. */
export type YamlNode = Node | null;

/** The entries of a mapping, in their order. */
export interface Entry {
  readonly key: string;
  readonly keyNode: YamlNode;
  readonly value: YamlNode;
}

export interface YamlReader {
  readonly root: YamlNode;
  readonly problems: Problem[];
  problem(node: YamlNode, message: string): void;
  /** A mapping's entries; a problem and none for anything else. */
  entries(node: YamlNode, what: string): readonly Entry[];
  /** A list's items; a problem and none for anything else. */
  items(node: YamlNode, what: string): readonly YamlNode[];
  /** A text; a problem and null for anything else. */
  text(node: YamlNode, what: string): string | null;
  /** A scalar's value as it is. */
  value(node: YamlNode): unknown;
}

const MAX_ALIASES = 100;

/** Parses a document; syntax errors are among the problems. */
export const readYaml = (source: string): YamlReader => {
  const lines = new LineCounter();
  // The library's own look for keys that are there twice takes 7 s for ten thousand roles, and does not see through aliases.
  const document = parseDocument<ParsedNode>(source, { lineCounter: lines, uniqueKeys: false, prettyErrors: false });
  const problems: Problem[] = [];
  const at = (offset: number): Pick<Problem, 'line' | 'column'> => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  for (const { pos, message } of [...document.errors, ...document.warnings]) problems.push({ ...at(pos[0]), message });
  const problem = (node: YamlNode, message: string): void => {
    problems.push({ ...at(node?.range?.[0] ?? 0), message });
  };
  let aliases = 0;
  /** Follows aliases, so many at most: nested ones grow exponentially. */
  const target = (node: unknown): YamlNode => {
    if (!isAlias(node)) return (node ?? null) as YamlNode;
    aliases += 1;
    if (aliases === MAX_ALIASES + 1) problem(node, `more than ${MAX_ALIASES} aliases`);
    return aliases > MAX_ALIASES ? null : ((node.resolve(document) ?? null) as YamlNode);
  };

  return {
    root: document.contents,
    problems,
    problem,
    entries: (node, what) => {
      const map = target(node);
      if (!isMap(map)) {
        problem(node, `${what} must be a mapping`);
        return [];
      }
      const seen = new Set<string>();
      return (map as YAMLMap<YamlNode, unknown>).items.flatMap(({ key, value }) => {
        const keyNode = target(key);
        if (isScalar(keyNode) && typeof keyNode.value === 'string') {
          const { value: name } = keyNode;
          if (seen.has(name)) problem(key, `Map keys must be unique, and "${name}" is in ${what} twice`);
          seen.add(name);
          return [{ key: name, keyNode, value: target(value) }];
        }
        problem(keyNode, `a key of ${what} must be text; put it in quotes`);
        return [];
      });
    },
    items: (node, what) => {
      const list = target(node);
      if (isSeq(list)) return list.items.map(target);
      problem(node, `${what} must be a list`);
      return [];
    },
    text: (node, what) => {
      const scalar = target(node);
      if (isScalar(scalar) && typeof scalar.value === 'string') return scalar.value;
      problem(node, `${what} must be text; put it in quotes if it is a number or a truth value`);
      return null;
    },
    value: (node) => {
      const scalar = target(node);
      return isScalar(scalar) ? scalar.value : undefined;
    },
  };
};
