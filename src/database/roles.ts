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

/**
 * The platform roles of a user: split at commas and not trimmed, as Better Auth's admin plugin does. None only when none
 * is stored, since the default role is for those alone: a lone comma stays what it is, a name that no policy has.
 */
export const platformRoles = (stored: string | null): readonly string[] => {
  if (stored === null || stored === '') return [];
  const roles = [...new Set(stored.split(','))].filter((role) => role !== '');
  return roles.length === 0 ? [stored] : roles;
};
