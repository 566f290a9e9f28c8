/** Better Auth's `organizationRole.permission`: JSON text, `{resource: [action]}`. Pure. */
import type { DynamicRole } from '../policy/facts.ts';

const parseGrants = (text: string): [string, string][] | null => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  // Drizzle's json columns can hold the JSON as a string within JSON.
  if (typeof value === 'string') return parseGrants(value);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const grants: [string, string][] = [];
  for (const [resource, actions] of Object.entries(value)) {
    if (!Array.isArray(actions)) return null;
    // Each once: an organization's people can repeat one as often as they like, and facts are kept.
    for (const action of new Set<unknown>(actions)) {
      if (typeof action !== 'string') return null;
      grants.push([resource, action]);
    }
  }
  return grants;
};

/**
 * The dynamic roles among `rows` that a member holds. A row that cannot be read grants nothing and is counted in `bad`:
 * Better Auth itself fails every check of the organization because of one.
 */
export const heldDynamicRoles = (
  rows: readonly { readonly role: string; readonly permission: string | null }[],
  held: readonly string[],
): { readonly roles: readonly DynamicRole[]; readonly bad: number } => {
  const names = new Set(held);
  const roles: DynamicRole[] = [];
  let bad = 0;
  for (const { role, permission } of rows) {
    if (!names.has(role)) continue;
    const grants = permission === null ? null : parseGrants(permission);
    if (grants === null) bad += 1;
    else roles.push({ role, grants });
  }
  return { roles, bad };
};
