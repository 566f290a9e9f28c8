/** How an id may be written. Pure. */

/** As PostgreSQL writes what it would read from this text: a uuid, an integer, or the text without blanks around it. */
const canonical = (text: string): string => {
  const digits = text
    .toLowerCase()
    .replace(/^urn:uuid:/, '')
    .replaceAll(/[-{}()]/g, '');
  if (/^[0-9a-f]{32}$/.test(digits)) return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return /^[+-]?\d+$/.test(text) ? BigInt(text).toString() : text;
};

/**
 * The spellings under which facts about an id may be cached: as it came, since an id of text is what it is; and as
 * PostgreSQL writes it, since publishers in other languages write uuids in capitals, in braces or without hyphens, and
 * integers with zeros in front. Which of them the column holds is not known here: one too many costs a read.
 */
export const spellingsOf = (id: string): readonly string[] => [...new Set([id, canonical(id.trim())])];
