/** Reads a YAML document, with the position of every problem. Pure. */
import {
  type Document,
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

/**
 * Parses a document. Syntax errors are the first problems of the reader.
 * @param quotes False for a file beside secrets: no problem then repeats a text of the document.
 */
export function readYaml(source: string, quotes = true): YamlReader {
  const lines = new LineCounter();
  // The library's own check for duplicate keys takes 7 s for ten thousand roles, and does not see duplicates by alias.
  const document = parseDocument<ParsedNode>(source, { lineCounter: lines, uniqueKeys: false, prettyErrors: false });
  return new YamlReader(document, lines, quotes);
}

/** A problem with its position; lines and columns count from 1. */
export interface Problem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** A value of the document. */
export type YamlNode = Node | null;

/** An entry of a mapping. */
export interface Entry {
  readonly key: string;
  readonly keyNode: YamlNode;
  readonly value: YamlNode;
}

/** Aliases that are followed in one document: nested ones stand for exponentially many values. */
const MAX_ALIASES = 100;

/** Reads the values of one document, and collects the problems. */
export class YamlReader {
  readonly root: YamlNode;
  readonly problems: Problem[] = [];
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;
  readonly #quotes: boolean;
  #aliases = 0;

  constructor(document: Document.Parsed, lines: LineCounter, quotes: boolean) {
    this.#document = document;
    this.#lines = lines;
    this.#quotes = quotes;
    this.root = document.contents;
    for (const { pos, code, message } of [...document.errors, ...document.warnings]) {
      this.#add(pos[0], quotes ? message : `not valid YAML (${code})`);
    }
  }

  /** Records a problem at the beginning of a node; at the beginning of the document for null. */
  problem(node: YamlNode, message: string): void {
    this.#add(node?.range?.[0] ?? 0, message);
  }

  /** The entries of a mapping, in their order; a problem and no entries for another value. */
  entries(node: YamlNode, what: string): readonly Entry[] {
    const map = this.#target(node);
    if (!isMap(map)) {
      this.problem(node, `${what} must be a mapping`);
      return [];
    }
    // A set and not an object: a key `__proto__` is a key.
    const seen = new Set<string>();
    return (map as YAMLMap<YamlNode, unknown>).items.flatMap(({ key, value }) => {
      const keyNode = this.#target(key);
      if (isScalar(keyNode) && typeof keyNode.value === 'string') {
        const { value: name } = keyNode;
        if (seen.has(name)) {
          const named = this.#quotes ? `"${name}"` : 'a key';
          this.problem(key, `Map keys must be unique, and ${named} is in ${what} twice`);
        }
        seen.add(name);
        return [{ key: name, keyNode, value: this.#target(value) }];
      }
      this.problem(keyNode, `a key of ${what} must be text; put it in quotes`);
      return [];
    });
  }

  /** The items of a list; a problem and no items for another value. */
  items(node: YamlNode, what: string): readonly YamlNode[] {
    const list = this.#target(node);
    if (isSeq(list)) return list.items.map((item) => this.#target(item));
    this.problem(node, `${what} must be a list`);
    return [];
  }

  /** A text; a problem and null for another value. */
  text(node: YamlNode, what: string): string | null {
    const value = this.value(node);
    if (typeof value === 'string') return value;
    this.problem(node, `${what} must be text; put it in quotes if it is a number or a truth value`);
    return null;
  }

  /** The value of a scalar; undefined for a mapping or a list. */
  value(node: YamlNode): unknown {
    const scalar = this.#target(node);
    return isScalar(scalar) ? scalar.value : undefined;
  }

  #target(node: unknown): YamlNode {
    if (!isAlias(node)) return (node ?? null) as YamlNode;
    this.#aliases += 1;
    if (this.#aliases === MAX_ALIASES + 1) this.problem(node, `more than ${MAX_ALIASES} aliases`);
    return this.#aliases > MAX_ALIASES ? null : ((node.resolve(this.#document) ?? null) as YamlNode);
  }

  #add(offset: number, message: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.problems.push({ line: Math.max(line, 1), column: Math.max(col, 1), message });
  }
}
