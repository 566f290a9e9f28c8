/** The values of a YAML document, each with its line. Pure. */

export type Value =
  | { readonly kind: 'map'; readonly line: number; readonly entries: readonly Entry[] }
  | { readonly kind: 'list'; readonly line: number; readonly items: readonly Value[] }
  | { readonly kind: 'text'; readonly line: number; readonly text: string }
  /** A number, a truth value or nothing, as it is written. */
  | { readonly kind: 'other'; readonly line: number; readonly text: string };

export interface Entry {
  readonly key: string;
  readonly line: number;
  readonly value: Value;
}

/** The text is no YAML, or more of YAML than is read here. */
export class YamlError extends Error {
  override readonly name = 'YamlError';
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** What YAML takes for a number, a truth value or nothing when it has no quotes. */
export const NOT_TEXT =
  /^(?:|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?\d+|0o[0-7]+|0x[\da-fA-F]+|[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
