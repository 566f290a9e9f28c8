/** The forms in which an id may be written. Pure. */

/**
 * The longest id in an event, in UTF-16 units. No call can name a longer one. A message with a much longer one exceeds the
 * largest payload of NATS and would block every event behind it.
 */
export const MAX_ID_LENGTH = 512;

/** Whether PostgreSQL could have a row with this id: not blank, no NUL, not longer than {@link MAX_ID_LENGTH}. */
export function isUsableId(text: string): boolean {
  return text.length <= MAX_ID_LENGTH && text.trim() !== '' && !text.includes('\0');
}

/**
 * The forms under which facts about an id may be cached: the text of the event, since a text column keeps it as it is; and
 * the form in which PostgreSQL prints it. Publishers in other languages write UUIDs in capitals, in braces or without
 * hyphens, and integers with leading zeros. The type of the column is not known here, and one form too many costs one read.
 */
export function idForms(id: string): readonly string[] {
  return [...new Set([id, canonicalId(id.trim())])];
}

/** The form in which PostgreSQL prints the value that it reads from this text: a UUID, an integer, or the text itself. */
export function canonicalId(text: string): string {
  const digits = text
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replaceAll(/[-{}()]/g, '');
  if (/^[0-9a-f]{32}$/.test(digits)) return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return /^[+-]?\d+$/.test(text) ? BigInt(text).toString() : text;
}
