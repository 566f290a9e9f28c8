/** Guards for Express 5 and 4. */
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { type AssentPluginOptions, answerTo, authorize, type GuardScope, noGuard, noPlugin, tokenOf } from './http.ts';
import type { Decision, Principal } from './types.ts';

export type { AssentPluginOptions, GuardScope } from './http.ts';

declare global {
  namespace Express {
    interface Request {
      /** The user of the token. @throws {AssentError} `MISCONFIGURED` on a route without `guard` or `authenticated`. */
      readonly principal: Principal;
      /** The decision of the route's guard; null without one. */
      readonly decision: Decision | null;
    }
  }
}

/** The request that a guard's function is called with: its parameters, query and body have the types of the route. */
// biome-ignore lint/suspicious/noExplicitAny: a guard does not know the types of the routes that it is for; each value is judged.
export type GuardedRequest = Request<any, any, any, any>;

/** Makes `guard`, `authenticated` and `request.principal` work in later routes: `app.use(assentPlugin({ assent }))`. */
export function assentPlugin(options: AssentPluginOptions): RequestHandler {
  return (request, _response, next) => {
    const state: State = { options, principal: undefined, decision: null };
    states.set(request, state);
    Object.defineProperties(request, {
      principal: {
        configurable: true,
        get: () => {
          if (state.principal === undefined) throw noGuard();
          return state.principal;
        },
      },
      decision: { configurable: true, get: () => state.decision },
    });
    next();
  };
}

/**
 * A handler that goes on when the token's user has the permission. It answers 401, 403, 400, 503 or 500 otherwise.
 * `const may = guard<Permission>` makes a misspelt permission a type error.
 * @param scope The organization from the request; the active organization of the token when absent.
 */
export function guard<Permission extends string = string>(
  permission: NoInfer<Permission>,
  scope?: GuardScope<GuardedRequest>,
): GuardHandler {
  return (request, response, next) =>
    guarded(request, response, next, async (state, token) => {
      const decision = await authorize(state.options.assent, token, permission, request, scope);
      state.principal = decision.principal;
      state.decision = decision;
    });
}

/** A handler of a route, whatever the types of its parameters are. */
export type GuardHandler = (request: GuardedRequest, response: Response, next: NextFunction) => Promise<void>;

/** A handler that goes on for every user with a valid token: it verifies the token and decides nothing. */
export function authenticated(): GuardHandler {
  return (request, response, next) =>
    guarded(request, response, next, async (state, token) => {
      state.principal = (await state.options.assent.verify(token)).principal;
    });
}

interface State {
  readonly options: AssentPluginOptions;
  principal: Principal | undefined;
  decision: Decision | null;
}

const states = new WeakMap<object, State>();

/** Express 4 does not wait for a promise, so that every outcome goes through `next` or the response. */
async function guarded(
  request: GuardedRequest,
  response: Response,
  next: NextFunction,
  pass: (state: State, token: string) => Promise<void>,
): Promise<void> {
  const state = states.get(request);
  try {
    if (state === undefined) throw noPlugin();
    await pass(
      state,
      tokenOf((name) => request.headers[name], state.options),
    );
  } catch (error) {
    const answer = answerTo(error, state?.options ?? {});
    if (answer === null) next(error);
    else response.status(answer.status).set(answer.headers).json(answer.body);
    return;
  }
  next();
}
