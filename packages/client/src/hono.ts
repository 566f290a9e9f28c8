/** Guards for Hono 4. */
import type { Context, MiddlewareHandler } from 'hono';
import { type AssentPluginOptions, answerTo, authorize, type GuardScope, noPlugin, tokenOf } from './http.ts';
import type { Decision, Principal } from './types.ts';

export type { AssentPluginOptions, GuardScope } from './http.ts';

declare module 'hono' {
  interface ContextVariableMap {
    /** The user of the token; set by `guard` and `authenticated`, which have to be before the handler. */
    principal: Principal;
    /** The decision of the route's guard. */
    decision: Decision;
  }
}

/** Makes `guard` and `authenticated` work in later routes: `app.use(assentPlugin({ assent }))`. */
export function assentPlugin(options: AssentPluginOptions): MiddlewareHandler {
  return async (context, next) => {
    plugins.set(context, options);
    await next();
  };
}

/**
 * A middleware that goes on when the token's user has the permission. It answers 401, 403, 400, 503 or 500 otherwise.
 * `const may = guard<Permission>` makes a misspelt permission a type error.
 * @param scope The organization from the context, `(c) => c.req.param('org')`; the active organization of the token when absent.
 * The function may return a promise, for a body that is read.
 */
export function guard<Permission extends string = string>(
  permission: NoInfer<Permission>,
  scope?: GuardScope<Context>,
): MiddlewareHandler {
  return (context, next) =>
    guarded(context, next, async ({ assent }, token) => {
      const found = typeof scope === 'function' ? await scope(context) : undefined;
      const decision = await authorize(
        assent,
        token,
        permission,
        context,
        typeof scope === 'function' ? () => found : scope,
      );
      context.set('principal', decision.principal);
      context.set('decision', decision);
    });
}

/** A middleware that goes on for every user with a valid token: it verifies the token and decides nothing. */
export function authenticated(): MiddlewareHandler {
  return (context, next) =>
    guarded(context, next, async ({ assent }, token) => {
      context.set('principal', (await assent.verify(token)).principal);
    });
}

const plugins = new WeakMap<Context, AssentPluginOptions>();

async function guarded(
  context: Context,
  next: () => Promise<void>,
  pass: (options: AssentPluginOptions, token: string) => Promise<void>,
): Promise<Response | undefined> {
  const options = plugins.get(context);
  try {
    if (options === undefined) throw noPlugin();
    await pass(
      options,
      tokenOf((name) => context.req.header(name), options),
    );
  } catch (error) {
    const answer = answerTo(error, options ?? {});
    if (answer === null) throw error;
    return new Response(JSON.stringify(answer.body), {
      status: answer.status,
      headers: { ...answer.headers, 'content-type': 'application/json' },
    });
  }
  await next();
  return undefined;
}
