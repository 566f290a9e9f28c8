/** How Better Auth stores roles: as text, separated by commas, or as a list of such texts. Pure. */

/** Roles that are stored, each once, and how many of them could not be read. */
export interface StoredRoles {
  readonly roles: readonly string[];
  readonly unreadable: number;
}

/** How `rolesOf` of values.ts selects a row: as text, or as the JSON of a list or a text. */
export type RolesForm = 'text' | 'json';

/**
 * The roles of member rows, united: split at commas, trimmed, empty ones dropped, each once, in stored order.
 * @param rows As `rolesOf` of values.ts selects them.
 */
export function memberRoles(rows: readonly (string | null)[], form: RolesForm): StoredRoles {
  const roles = new Set<string>();
  let unreadable = 0;
  for (const row of rows) {
    if (row === null) continue;
    const stored = form === 'text' ? { names: namesIn(row), unreadable: 0 } : parseList(row);
    unreadable += stored.unreadable;
    for (const name of stored.names ?? []) {
      const role = name.trim();
      if (role !== '') roles.add(role);
    }
  }
  return { roles: [...roles], unreadable };
}

/**
 * The platform roles of a user: split at commas and not trimmed, as Better Auth's admin plugin does. None only when none
 * is stored, since the default role is for those alone: a lone comma, an empty list or roles that cannot be read are a name
 * that no policy has.
 */
export function platformRoles(stored: string | null, form: RolesForm): StoredRoles {
  if (stored === null || stored === '') return { roles: [], unreadable: 0 };
  const { names, unreadable } = form === 'text' ? { names: namesIn(stored), unreadable: 0 } : parseList(stored);
  if (names === null) return { roles: [], unreadable };
  const roles = [...new Set(names)].filter((role) => role !== '');
  if (roles.length > 0) return { roles, unreadable };
  return { roles: [form === 'text' ? stored : ','], unreadable };
}

/** How much of a row's roles counts, in characters: an organization's people can repeat them as often as they like. */
const MAX_LENGTH = 65_536;

/** The names in one text; the last of a text that was cut off may be half of another name. */
function namesIn(text: string): readonly string[] {
  const names = text.split(',');
  return text.length > MAX_LENGTH ? names.slice(0, -1) : names;
}

const UNREADABLE = { names: [], unreadable: 1 } as const;

/** The names in a JSON list or text; null where none is stored. */
function parseList(json: string): { readonly names: readonly string[] | null; readonly unreadable: number } {
  if (json.length > MAX_LENGTH) return UNREADABLE;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return UNREADABLE;
  }
  if (value === null || value === '') return { names: null, unreadable: 0 };
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  // Half of a pair of surrogates, which a json column may hold, becomes another text on its way to a caller.
  const texts = items.filter((item): item is string => typeof item === 'string' && item.isWellFormed());
  // All or none, as for Better Auth, which fails on a list with anything else in it.
  if (texts.length < items.length) return UNREADABLE;
  return { names: texts.flatMap((text) => text.split(',')), unreadable: 0 };
}
