/** Names of permissions as callers and scopes write them. Pure. */

/** The two parts of a permission. */
export interface PermissionName {
  readonly resource: string;
  readonly action: string;
}

/**
 * Splits `resource:action`. A wildcard is a pattern that only the roles of a policy have: in a request it would mean
 * "any", and no request needs just any permission.
 * @returns null for any other text.
 */
export function parsePermission(text: string): PermissionName | null {
  const colon = text.indexOf(':');
  if (colon <= 0 || colon === text.length - 1 || text.includes(':', colon + 1)) return null;
  const resource = text.slice(0, colon);
  const action = text.slice(colon + 1);
  if (resource === '*' || action === '*' || CONTROL.test(text) || !text.isWellFormed()) return null;
  return { resource, action };
}

const CONTROL = /\p{Cc}/u;
