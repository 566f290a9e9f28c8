/** Guards for Fastify 5. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type AssentPluginOptions, answerTo, authorize, type GuardScope, noGuard, noPlugin, tokenOf } from './http.ts';
import type { Decision, Principal } from './types.ts';

export type { AssentPluginOptions, GuardScope } from './http.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** The user of the token. @throws {AssentError} `MISCONFIGURED` on a route without `guard` or `authenticated`. */
    readonly principal: Principal;
    /** The decision of the route's guard; null without one. */
    readonly decision: Decision | null;
  }
}

/** The request that a guard's function is called with: its parameters, query and body have the types of the route. */
export interface GuardedRequest extends Omit<FastifyRequest, 'params' | 'query' | 'body'> {
  // biome-ignore lint/suspicious/noExplicitAny: a guard does not know the types of its routes; each value is judged.
  readonly params: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly query: any;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly body: any;
}
/** A hook of a route, for `preHandler`. */
export type GuardHook = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** Makes `guard`, `authenticated` and `request.principal` work in this instance and in those within it: `app.register(assentPlugin, { assent })`. */
export async function assentPlugin(app: FastifyInstance, options: AssentPluginOptions): Promise<void> {
  app.decorateRequest('principal', {
    getter(): Principal {
      const found = states.get(this)?.principal;
      if (found === undefined) throw noGuard();
      return found;
    },
  });
  app.decorateRequest('decision', {
    getter(): Decision | null {
      return states.get(this)?.decision ?? null;
    },
  });
  app.addHook('onRequest', async (request) => {
    states.set(request, { options, principal: undefined, decision: null });
  });
}
// As fastify-plugin does: the routes beside the plugin have it, too.
Object.assign(assentPlugin, { [Symbol.for('skip-override')]: true });

/**
 * A hook that lets a request pass when the token's user has the permission. It answers 401, 403, 400, 503 or 500 otherwise.
 * `const may = guard<Permission>` makes a misspelt permission a type error.
 * @param scope The organization from the request; the active organization of the token when absent.
 */
export function guard<Permission extends string = string>(
  permission: NoInfer<Permission>,
  scope?: GuardScope<GuardedRequest>,
): GuardHook {
  return (request, reply) =>
    guarded(request, reply, async (state, token) => {
      const decision = await authorize(state.options.assent, token, permission, request as GuardedRequest, scope);
      state.principal = decision.principal;
      state.decision = decision;
    });
}

/** A hook that lets every user with a valid token pass: it verifies the token and decides nothing. */
export function authenticated(): GuardHook {
  return (request, reply) =>
    guarded(request, reply, async (state, token) => {
      state.principal = (await state.options.assent.verify(token)).principal;
    });
}

interface State {
  readonly options: AssentPluginOptions;
  principal: Principal | undefined;
  decision: Decision | null;
}

const states = new WeakMap<FastifyRequest, State>();

async function guarded(
  request: FastifyRequest,
  reply: FastifyReply,
  pass: (state: State, token: string) => Promise<void>,
): Promise<unknown> {
  const state = states.get(request);
  try {
    if (state === undefined) throw noPlugin();
    await pass(
      state,
      tokenOf((name) => request.headers[name], state.options),
    );
    return;
  } catch (error) {
    const answer = answerTo(error, state?.options ?? {});
    if (answer === null) throw error;
    return reply.code(answer.status).headers(answer.headers).send(answer.body);
  }
}
