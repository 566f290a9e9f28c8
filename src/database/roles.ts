/** How Better Auth stores roles: as text, separated by commas. */

/** How much of a row's roles counts, in characters: an organization's people can repeat them as often as they like. */
const MAX_LENGTH = 65_536;

/** The names in one row; the last of a text that was cut off may be half of another name. */
const namesIn = (row: string): readonly string[] => {
  const names = row.split(',');
  return row.length > MAX_LENGTH ? names.slice(0, -1) : names;
};

/**
 * The roles of member rows, united: split at commas, trimmed, empty ones dropped, each once, in stored order.
 * @param rows As `roleText` of sql.ts reads them.
 */
export const memberRoles = (rows: readonly (string | null)[]): readonly string[] => {
  const roles = new Set<string>();
  for (const row of rows) {
    for (const part of namesIn(row ?? '')) {
      const role = part.trim();
      if (role !== '') roles.add(role);
    }
  }
  return [...roles];
};

/**
 * The platform roles of a user: split at commas and not trimmed, as Better Auth's admin plugin does. None only when none
 * is stored, since the default role is for those alone: a lone comma stays what it is, a name that no policy has.
 */
export const platformRoles = (stored: string | null): readonly string[] => {
  if (stored === null || stored === '') return [];
  const roles = [...new Set(stored.split(','))].filter((role) => role !== '');
  return roles.length === 0 ? [stored] : roles;
};
