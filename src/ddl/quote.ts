/** SQL as text, for people to read before they run it. Pure. */

/** An identifier, quoted. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A text literal, quoted. */
export const quoteText = (text: string): string => {
  const quoted = text.replaceAll("'", "''");
  return quoted.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
};

/** A table in its schema, quoted. */
export const quoteTable = ({ schema, table }: { readonly schema: string; readonly table: string }): string =>
  `${quoteName(schema)}.${quoteName(table)}`;
