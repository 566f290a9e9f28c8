/** PostgreSQL's `search_path`: the database schemas in which a table without one is looked for. Pure. */

/** A list of identifiers, as PostgreSQL reads it: quoted or in lower case, between commas; null when it is none. */
export function parseSearchPath(text: string): readonly string[] | null {
  const names: string[] = [];
  const item = /\s*(?:"(?<quoted>(?:[^"]|"")+)"|(?<plain>[^\s",]+))\s*(?<end>,|$)/y;
  for (;;) {
    const groups = item.exec(text)?.groups;
    if (groups === undefined) return null;
    names.push(groups['quoted']?.replaceAll('""', '"') ?? (groups['plain'] ?? '').toLowerCase());
    if (groups['end'] === '') return names;
  }
}

/** Whether two paths name the same schemas in the same order. */
export function isSamePath(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((name, index) => name === other[index]);
}
