/** Names of permissions, as callers ask for them. Pure. */

/** A permission taken apart. */
export interface PermissionName {
  readonly resource: string;
  readonly action: string;
}

/**
 * Takes `resource:action` apart; null for anything else. A wildcard is a pattern that only a policy may use: asked for,
 * it would mean "any", which is no permission that a request can need.
 */
export const parsePermission = (text: string): PermissionName | null => {
  const colon = text.indexOf(':');
  if (colon <= 0 || colon === text.length - 1 || text.includes(':', colon + 1)) return null;
  const resource = text.slice(0, colon);
  const action = text.slice(colon + 1);
  if (resource === '*' || action === '*' || CONTROL.test(text) || !text.isWellFormed()) return null;
  return { resource, action };
};

const CONTROL = /\p{Cc}/u;
