/** The instance of Better Auth that a module exports. */

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
 * Finds the instance among the exports of a module: `auth`, the default export, or the only one that there is.
 * @param name Of the export to take. Where it is a function, that makes the instance: it is called with `process.env`.
 * @throws {AuthError} when there is none, or which one is meant cannot be told.
 */
export async function findInstance(exports: Readonly<Record<string, unknown>>, name?: string): Promise<unknown> {
  const all = new Map([...entriesOf(exports['default']), ...entriesOf(exports)]);
  // A promise of an instance counts as one. Others, such as that of a connection, may never come to an end.
  for (const key of [name ?? 'auth', 'default']) {
    const value = all.get(key);
    if (value instanceof Promise) all.set(key, await value);
  }
  if (name !== undefined) return instanceNamed(name, all);
  for (const candidate of [all.get('auth'), all.get('default')]) if (isInstance(candidate)) return candidate;
  const instances = [...all].filter(([, value]) => isInstance(value));
  const [only] = instances;
  if (only !== undefined && new Set(instances.map(([, value]) => value)).size === 1) return only[1];
  if (only !== undefined) {
    const names = instances.map(([key]) => key).join(', ');
    throw new AuthError(`exports several instances of Better Auth (${names}): say which, by --export NAME`);
  }
  const functions = [...all].filter(([, value]) => typeof value === 'function').map(([key]) => key);
  throw new AuthError(
    `exports no instance of Better Auth; its exports are ${listOf(all)}. ` +
      (functions.length > 0
        ? `Where a function makes the instance, name it: --export ${functions[0]} calls it with process.env. Where it wants something else, `
        : '') +
      'export an instance from a file of its own: export const auth = betterAuth(…)',
  );
}

async function instanceNamed(name: string, all: ReadonlyMap<string, unknown>): Promise<unknown> {
  const value = all.get(name);
  if (!all.has(name)) throw new AuthError(`has no export "${name}"; its exports are ${listOf(all)}`);
  if (isInstance(value)) return value;
  if (typeof value !== 'function') throw new AuthError(`exports as "${name}" no instance of Better Auth`);
  let made: unknown;
  try {
    made = await value(process.env);
  } catch (error) {
    throw new AuthError(`${name}(process.env) failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (isInstance(made)) return made;
  throw new AuthError(`${name}(process.env) made no instance of Better Auth`);
}

/** What a module exports; CommonJS has its exports as the default one. */
function entriesOf(exports: unknown): readonly (readonly [string, unknown])[] {
  return typeof exports === 'object' && exports !== null && !isInstance(exports) ? Object.entries(exports) : [];
}

function listOf(exports: ReadonlyMap<string, unknown>): string {
  return [...exports].map(([name, value]) => `${name} (${typeof value})`).join(', ') || 'none';
}
