/** How Better Auth stores roles: as text, separated by commas. */

/** The roles of member rows, united: split at commas, trimmed, empty ones dropped, each once, in stored order. */
export const memberRoles = (rows: readonly (string | null)[]): readonly string[] => {
  const roles = new Set<string>();
  for (const row of rows) {
    for (const part of (row ?? '').split(',')) {
      const role = part.trim();
      if (role !== '') roles.add(role);
    }
  }
  return [...roles];
};

/** The platform roles of a user: split at commas and not trimmed, as Better Auth's admin plugin does. */
export const platformRoles = (stored: string | null): readonly string[] =>
  stored === null || stored === '' ? [] : [...new Set(stored.split(','))].filter((role) => role !== '');
