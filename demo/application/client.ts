/** A user of the application over HTTP: keeps cookies and sends an Origin, as a browser does. */
import { z } from 'zod';

/** The application answered with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(path: string, status: number, body: string) {
    super(`${path} answered ${status}: ${body.slice(0, 300)}`);
    this.status = status;
  }
}

export interface Session {
  readonly userId: string;
  readonly email: string;
  /** The `cookie` header that this session sends. */
  cookie(): string;
  /**
   * Calls Better Auth's API; the path is without `/api/auth`.
   * @returns The JSON of the answer.
   * @throws {ApiError} when the status is not 2xx.
   */
  get(path: string): Promise<unknown>;
  post(path: string, body: Readonly<Record<string, unknown>>): Promise<unknown>;
  /** A new JWT of the jwt plugin, for the organization that is active now. */
  token(): Promise<string>;
}

const userSchema = z.object({ user: z.object({ id: z.string(), email: z.string() }) });
const tokenSchema = z.object({ token: z.string() });

/**
 * Signs in or up.
 * @param path `/sign-in/email` or `/sign-up/email`.
 */
export const openSession = async (
  origin: string,
  path: '/sign-in/email' | '/sign-up/email',
  body: Readonly<Record<string, string>>,
): Promise<Session> => {
  const cookies = new Map<string, string>();
  const cookie = (): string => [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');

  const call = async (method: 'GET' | 'POST', where: string, json?: unknown): Promise<unknown> => {
    const response = await fetch(`${origin}/api/auth${where}`, {
      method,
      headers: {
        origin,
        ...(cookies.size === 0 ? {} : { cookie: cookie() }),
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiError(`${method} ${where}`, response.status, text);
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=;]+)=([^;]*)/.exec(line) ?? [];
      if (/;\s*max-age=0(;|$)/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return text === '' ? null : JSON.parse(text);
  };

  const { user } = userSchema.parse(await call('POST', path, body));
  return {
    userId: user.id,
    email: user.email,
    cookie,
    get: (where) => call('GET', where),
    post: (where, json) => call('POST', where, json),
    token: async () => tokenSchema.parse(await call('GET', '/token')).token,
  };
};
