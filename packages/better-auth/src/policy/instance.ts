/** The instance of Better Auth that a module exports. Pure. */

/** The instance cannot be exported. */
export class AuthError extends Error {
  override readonly name = 'AuthError';
}

/** A property of something unknown. */
export const part = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;

const isInstance = (value: unknown): boolean =>
  typeof part(value, 'options') === 'object' &&
  (typeof part(value, 'handler') === 'function' || part(value, 'api') !== undefined);

/**
 * Finds the instance among the exports of a module: `auth`, or the default export.
 * @throws {AuthError} when neither is one.
 */
export const findInstance = (exports: Readonly<Record<string, unknown>>): unknown => {
  for (const candidate of [exports['auth'], exports['default'], part(exports['default'], 'auth')]) {
    if (isInstance(candidate)) return candidate;
  }
  const names = Object.entries(exports).map(([name, value]) => `${name} (${typeof value})`);
  throw new AuthError(
    `exports no instance of Better Auth as "auth" or by default; its exports are ${names.join(', ') || 'none'}. ` +
      'Where a function makes the instance, export one from a file of its own: export const auth = createAuth()',
  );
};
