/** JSON objects that come from others: strict where JSON.parse is lenient. */

/** A JSON object whose members are not known yet. */
export type JsonObject = Readonly<Record<string, unknown>>;

// A byte order mark stays in the text, where JSON.parse refuses it.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

const QUOTE = 0x22;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Counts the members of the outermost object of a text that JSON.parse has accepted. */
const countMembers = (json: string): number => {
  let members = 0;
  let depth = 0;
  let inString = false;
  for (let index = 0; index < json.length; index += 1) {
    const code = json.charCodeAt(index);
    if (inString) {
      if (code === BACKSLASH) index += 1;
      else if (code === QUOTE) inString = false;
    } else if (code === QUOTE) inString = true;
    else if (code === COLON && depth === 1) members += 1;
    else if (OPENING.has(code)) depth += 1;
    else if (CLOSING.has(code)) depth -= 1;
  }
  return members;
};

/** True for what JSON calls an object: neither null nor an array. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The object in these bytes, or null when they are not UTF-8, not JSON, not an object, or name a member twice.
 *
 * A repeated name is refused (RFC 7519 section 4 allows it) because parsers differ in which one they keep: a gateway
 * that reads the first `userId` and a service that reads the last would see two users in one signed token. JSON.parse
 * keeps one of each, so that fewer members than the text has means a repetition, however the names are escaped. Only
 * the outermost object is looked at: no claim is read from deeper.
 * @param integers Members that are taken as integers. One that is a number and not written as digits alone becomes NaN:
 * JSON.parse makes 7 of 6.9999999999999999, and an id of it would be another one.
 */
export const parseJsonObject = (bytes: Uint8Array, integers: readonly string[] = []): JsonObject | null => {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value) || countMembers(text) !== Object.keys(value).length) return null;
    return integers.some((name) => typeof value[name] === 'number') ? withExactIntegers(text, integers) : value;
  } catch {
    return null;
  }
};

/** Reads again, by the source of each number (ECMAScript's JSON.parse source text access), which costs more than a plain read. */
function withExactIntegers(text: string, integers: readonly string[]): JsonObject {
  const inexact = new Map<unknown, string[]>();
  const revive = function (
    this: unknown,
    name: string,
    value: unknown,
    context?: { readonly source?: string },
  ): unknown {
    if (typeof value === 'number' && integers.includes(name) && !/^\d+$/.test(context?.source ?? '')) {
      inexact.set(this, [...(inexact.get(this) ?? []), name]);
    }
    return value;
  };
  const value = JSON.parse(text, revive) as JsonObject;
  const names = inexact.get(value) ?? [];
  return { ...value, ...Object.fromEntries(names.map((name) => [name, Number.NaN])) };
}
