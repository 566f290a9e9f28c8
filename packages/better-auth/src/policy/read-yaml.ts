/**
 * Reads the YAML that policy files are written in: mappings and lists in block and flow style, plain and quoted scalars,
 * comments. Anything else (anchors, tags, text over several lines, several documents) is refused with its line: a package
 * for a whole YAML parser would weigh more than all of this one. Pure.
 */
import { type Entry, NOT_TEXT, type Value, YamlError } from './yaml-value.ts';

const MAX_DEPTH = 20;

/** @throws {YamlError} */
export const readYaml = (source: string): Value => {
  const text = source.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  let at = 0;
  let depth = 0;

  let counted = { offset: 0, line: 1 };
  const lineOf = (offset: number): number => {
    // Reading only goes forward.
    counted = { offset, line: counted.line + text.slice(counted.offset, offset).split('\n').length - 1 };
    return counted.line;
  };
  const fail = (message: string): never => {
    throw new YamlError(lineOf(at), message);
  };
  const column = (): number => at - (text.lastIndexOf('\n', at - 1) + 1);
  const ends = (offset = at): boolean => offset >= text.length || text[offset] === '\n';
  const spaceAt = (offset: number): boolean => ends(offset) || text[offset] === ' ' || text[offset] === '\t';
  const skipSpaces = (): void => {
    while (text[at] === ' ' || text[at] === '\t') at += 1;
  };
  const skipComment = (): void => {
    if (text[at] === '#' && (at === 0 || /\s/.test(text[at - 1] ?? ''))) while (!ends()) at += 1;
  };
  const skipBlank = (): void => {
    for (let from = -1; from !== at; ) {
      from = at;
      skipSpaces();
      skipComment();
      if (text[at] === '\n') at += 1;
    }
    const indent = text.slice(at - column(), at);
    if (at < text.length && indent.trim() === '' && indent.includes('\t')) fail('a tab in the indentation');
  };
  const endLine = (): void => {
    skipSpaces();
    skipComment();
    if (!ends()) fail('only one value may be on a line');
  };

  const quoted = (): string => {
    const [whole] = /^(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*')/.exec(text.slice(at)) ?? [];
    if (whole === undefined) return fail('a quoted text must end on its line');
    at += whole.length;
    if (whole.startsWith("'")) return whole.slice(1, -1).replaceAll("''", "'");
    try {
      return String(JSON.parse(whole));
    } catch {
      return fail('an escape sequence that JSON does not know');
    }
  };
  /** A plain scalar, up to what ends it. */
  const plain = (flow: boolean): string => {
    if (/^(?:[|>&*!%@`,\]}]|[?:-](?=[\s,[\]{}]|$))/.test(text.slice(at, at + 2))) {
      fail(`"${text[at]}" may not begin a text without quotes here`);
    }
    const from = at;
    while (!ends()) {
      const char = text[at] ?? '';
      if (char === ':' && (spaceAt(at + 1) || (flow && /[,[\]{}]/.test(text[at + 1] ?? '')))) break;
      if (char === '#' && spaceAt(at - 1)) break;
      if (flow && /[,[\]{}]/.test(char)) break;
      at += 1;
    }
    return text.slice(from, at).replace(/[ \t]+$/, '');
  };
  const isQuote = (): boolean => text[at] === '"' || text[at] === "'";
  const key = (flow: boolean): string => {
    const isQuoted = isQuote();
    const name = isQuoted ? quoted() : plain(flow);
    if (!isQuoted && NOT_TEXT.test(name)) fail(`a key must be text; put "${name}" in quotes`);
    skipSpaces();
    if (text[at] !== ':' || !(spaceAt(at + 1) || (flow && isQuoted))) fail('expected "key: value"');
    at += 1;
    return name;
  };
  const nested = <T>(read: () => T): T => {
    depth += 1;
    if (depth > MAX_DEPTH) fail('nested too deep');
    const value = read();
    depth -= 1;
    return value;
  };
  const add = (entries: Entry[], entry: Entry): void => {
    if (entries.some(({ key: other }) => other === entry.key)) {
      throw new YamlError(entry.line, `the key "${entry.key}" is there twice`);
    }
    entries.push(entry);
  };

  /** Items between brackets; `item` reads one. */
  const between = (close: string, item: () => void): void => {
    at += 1;
    for (;;) {
      skipBlank();
      if (text[at] === close) break;
      if (at >= text.length) fail(`"${close}" is missing`);
      item();
      skipBlank();
      if (text[at] === ',') at += 1;
      else if (text[at] !== close) fail(`expected "," or "${close}"`);
    }
    at += 1;
  };
  const inline = (flow: boolean): Value => {
    const line = lineOf(at);
    if (text[at] === '{') {
      const entries: Entry[] = [];
      nested(() =>
        between('}', () => {
          const begin = lineOf(at);
          const name = key(true);
          skipBlank();
          add(entries, { key: name, line: begin, value: inline(true) });
        }),
      );
      return { kind: 'map', line, entries };
    }
    if (text[at] === '[') {
      const items: Value[] = [];
      nested(() => between(']', () => void items.push(inline(true))));
      return { kind: 'list', line, items };
    }
    if (isQuote()) return { kind: 'text', line, text: quoted() };
    const word = plain(flow);
    if (text[at] === ':') fail('a mapping may not begin here');
    return { kind: NOT_TEXT.test(word) ? 'other' : 'text', line, text: word };
  };

  const isItem = (): boolean => text[at] === '-' && spaceAt(at + 1);
  const blockList = (indent: number): Value => {
    const line = lineOf(at);
    const items: Value[] = [];
    while (at < text.length && column() === indent && isItem()) {
      at += 1;
      skipSpaces();
      if (ends() || text[at] === '#') fail('an item must be on the line of its "-"');
      items.push(inline(false));
      endLine();
      skipBlank();
    }
    return { kind: 'list', line, items };
  };
  const blockMap = (indent: number): Value => {
    const line = lineOf(at);
    const entries: Entry[] = [];
    while (at < text.length && column() === indent) {
      const begin = lineOf(at);
      const name = key(false);
      skipSpaces();
      skipComment();
      if (ends()) {
        skipBlank();
        add(entries, { key: name, line: begin, value: blockBelow(indent, begin) });
      } else {
        add(entries, { key: name, line: begin, value: inline(false) });
        endLine();
        skipBlank();
      }
    }
    return { kind: 'map', line, entries };
  };
  /** What stands below a key: a block that is indented further, or a list that is not; else nothing. */
  const blockBelow = (indent: number, line: number): Value => {
    if (at < text.length && column() > indent) return block();
    if (at < text.length && column() === indent && isItem()) return blockList(indent);
    return { kind: 'other', line, text: '' };
  };
  const block = (): Value =>
    nested(() => {
      const indent = column();
      const value = isItem()
        ? blockList(indent)
        : text[at] === '{' || text[at] === '['
          ? inline(true)
          : blockMap(indent);
      skipBlank();
      if (at < text.length && column() > indent) fail('this line is indented too far');
      return value;
    });

  skipBlank();
  if (/^---(?=\s|$)/.test(text.slice(at))) {
    at += 3;
    endLine();
    skipBlank();
  }
  if (at >= text.length) return { kind: 'other', line: 1, text: '' };
  const value = block();
  if (at < text.length) fail('this line belongs to nothing above it');
  return value;
};
