/** What the commands print: text, coloured on a terminal that wants it, or one line of JSON. */
import type { Row } from './decision.ts';

export interface Output {
  /** A line of the answer; the first word has the colour. */
  verdict(good: boolean, word: string, rest: string): void;
  line(text: string): void;
  /** Lines with their labels below each other. */
  rows(rows: readonly Row[]): void;
  /** The answer as JSON, where that is asked for; nothing otherwise. */
  json(value: object): void;
  /** An error: to stderr, and as JSON to stdout where that is asked for. */
  error(code: string, reason: string, message: string): void;
}

/**
 * @param asJson Lines of text are left out.
 * @param stdout Coloured where it is a terminal that knows colours, and NO_COLOR is not set.
 */
export function createOutput(asJson: boolean, stdout: NodeJS.WriteStream, stderr: NodeJS.WriteStream): Output {
  const line = (text: string): void => {
    if (!asJson) stdout.write(`${visible(text)}\n`);
  };
  const json = (value: object): void => {
    if (asJson) stdout.write(`${JSON.stringify(value)}\n`);
  };
  return {
    verdict: (good, word, rest) => {
      if (!asJson) stdout.write(`${style(stdout, good ? 'green' : 'red', word)} ${visible(rest)}\n`);
    },
    line,
    rows: (rows) => {
      if (asJson) return;
      const width = Math.max(...rows.map(([label]) => label.length));
      for (const [label, text] of rows) {
        stdout.write(`  ${style(stdout, 'dim', label.padEnd(width))}  ${visible(text)}\n`);
      }
    },
    json,
    error: (code, reason, message) => {
      stderr.write(`${style(stderr, 'red', 'error')} ${visible(message)}\n`);
      json({ error: { code, reason, message } });
    },
  };
}

/** Codes of ANSI, on and off. */
const STYLES = { green: [32, 39], red: [31, 39], dim: [2, 22] } as const;

function style(stream: NodeJS.WriteStream, name: keyof typeof STYLES, text: string): string {
  // hasColors looks at NO_COLOR and TERM.
  if (!stream.isTTY || !stream.hasColors()) return text;
  const [on, off] = STYLES[name];
  return `\u001B[${on}m${text}\u001B[${off}m`;
}

/** Control characters of a name of the service must not reach the terminal, which would obey them. */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]/gu, (character) => {
    return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
  });
}
