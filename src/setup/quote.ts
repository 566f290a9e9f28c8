/** SQL as text, for people to read before they run it. Pure. */

/** An identifier, quoted. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A text literal, quoted. */
export const quoteText = (text: string): string =>
  text.includes('\\')
    ? ` E'${text.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
    : `'${text.replaceAll("'", "''")}'`;

/** A table in its schema, quoted. */
export const quoteTable = (schema: string, table: string): string => `${quoteName(schema)}.${quoteName(table)}`;
