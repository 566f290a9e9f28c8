/** Finds the instance of Better Auth that a module exports. */

/**
 * Finds the instance among the exports of a module: `auth`, the default export, or the only instance.
 * @param name The export to take. A function of this name is called with `process.env`, and makes the instance.
 * @throws {AuthError} when there is no instance, or there are several to choose from.
 */
export async function findInstance(exports: Readonly<Record<string, unknown>>, name?: string): Promise<unknown> {
  const all = new Map([...entriesOf(exports['default']), ...entriesOf(exports)]);
  // These may be promises of an instance. Other promises are not awaited: one of a connection may never settle.
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
      'export an instance from a separate file: export const auth = betterAuth(…)',
  );
}

/** The instance cannot be exported. */
export class AuthError extends Error {
  override readonly name = 'AuthError';
}

/** A property of a value of any type; undefined where there is none. */
export function part(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function isInstance(value: unknown): boolean {
  return (
    typeof part(value, 'options') === 'object' &&
    (typeof part(value, 'handler') === 'function' || part(value, 'api') !== undefined)
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

/** The exports of a module or of a default export: CommonJS modules have all of their exports in it. */
function entriesOf(exports: unknown): readonly (readonly [string, unknown])[] {
  return typeof exports === 'object' && exports !== null && !isInstance(exports) ? Object.entries(exports) : [];
}

function listOf(exports: ReadonlyMap<string, unknown>): string {
  return [...exports].map(([name, value]) => `${name} (${typeof value})`).join(', ') || 'none';
}
