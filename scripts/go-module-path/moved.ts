/** The text of a file of the Go kit with another module path. */

/** The option go_package in a descriptor, as protoc-gen-go quotes it: field 8, its length, field 11, its length, the path. */
const OPTION = (path: string): RegExp =>
  new RegExp(`"(B|H\\x01P\\x01B)?[^"]*Z[^"]{1,8}?(${escaped(path)}/gen/[^"]*?)b\\\\x06proto3"`, 'g');

/** Whether the text can be the path of a Go module: segments of letters, digits and `-._~`, the first with a dot. */
export function isGoModulePath(text: string): boolean {
  return /^[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(text);
}

/** @returns The bytes of the file with `next` in place of `current`, the lengths in the generated descriptor included. */
export function moved(file: Uint8Array, current: string, next: string): Buffer {
  const text = Buffer.from(file).toString('utf8');
  const withOption = text.replace(OPTION(current), (_, __, path: string) => {
    const name = `${next}${path.slice(current.length)}`;
    const option = `Z${quoted(varint(name.length))}${name}`;
    return `"B${quoted(varint(1 + varint(name.length).length + name.length))}${option}b\\x06proto3"`;
  });
  return Buffer.from(withOption.replaceAll(new RegExp(`(?<![\\w./-])${escaped(current)}(?![\\w.-])`, 'g'), next));
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
}

function varint(value: number): readonly number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

/** Bytes as Go's strconv.Quote writes them. */
function quoted(bytes: readonly number[]): string {
  const names: Readonly<Record<number, string>> = { 7: 'a', 8: 'b', 9: 't', 10: 'n', 11: 'v', 12: 'f', 13: 'r' };
  return bytes
    .map((byte) => {
      if (byte === 34 || byte === 92) return `\\${String.fromCharCode(byte)}`;
      if (byte >= 32 && byte < 127) return String.fromCharCode(byte);
      return names[byte] === undefined ? `\\x${byte.toString(16).padStart(2, '0')}` : `\\${names[byte]}`;
    })
    .join('');
}
