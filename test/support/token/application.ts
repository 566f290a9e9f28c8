/** Better Auth in memory, served on loopback, for the tests of tokens. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BetterAuthOptions, betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { admin, type JwtOptions, jwt, multiSession } from 'better-auth/plugins';
import { afterEach, beforeEach } from 'vitest';
import { createJwksCache, type JwksCache, type JwksCacheOptions } from '../../../src/token/jwks-cache.ts';
import { databaseJwks, type JwksRow, remoteJwks } from '../../../src/token/jwks-sources.ts';
import { createTokenVerifier } from '../../../src/token/verifier.ts';

export const SECRET = 'better-auth-secret-of-the-tests-0123456789';

let server: Server;
/** Where the application of the test at hand is served. */
export let origin: string;
let sets: JwksCache[];
let respond: ReturnType<typeof toNodeHandler>;

beforeEach(async () => {
  sets = [];
  server = createServer((request, response) => void respond(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  for (const set of sets) set.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Mail {
  readonly kind: string;
  readonly token: string;
}

/** The cookies that an answer sets. */
export const cookiesOf = (headers: Headers): ReadonlyMap<string, string> =>
  new Map(
    headers.getSetCookie().map((line) => {
      const pair = line.split(';')[0] ?? '';
      const at = pair.indexOf('=');
      return [pair.slice(0, at), decodeURIComponent(pair.slice(at + 1))] as const;
    }),
  );

/** An application in memory, served at the origin, with one user who has just signed up. */
export const createApplication = async (
  jwtOptions: JwtOptions = {},
  session: BetterAuthOptions['session'] = {},
  additionalFields: NonNullable<BetterAuthOptions['user']>['additionalFields'] = {},
) => {
  const mails: Mail[] = [];
  const tables = {
    ...{ user: [], session: [], account: [], verification: [] },
    jwks: [] as Record<string, unknown>[],
  };
  const auth = betterAuth({
    baseURL: origin,
    secret: SECRET,
    database: memoryAdapter(tables),
    logger: { disabled: true },
    rateLimit: { enabled: false },
    emailAndPassword: { enabled: true },
    emailVerification: {
      sendOnSignUp: true,
      sendVerificationEmail: async ({ token }) => void mails.push({ kind: 'verification', token }),
    },
    user: {
      additionalFields,
      changeEmail: {
        enabled: true,
        sendChangeEmailConfirmation: async ({ token }) => void mails.push({ kind: 'change', token }),
      },
    },
    session,
    socialProviders: { google: { clientId: 'client', clientSecret: 'secret' } },
    account: { storeStateStrategy: 'cookie', storeAccountCookie: true },
    plugins: [admin(), jwt(jwtOptions), multiSession()],
  });
  respond = toNodeHandler(auth);
  const { headers, response } = await auth.api.signUpEmail({
    body: { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' },
    returnHeaders: true,
  });
  const cookies = cookiesOf(headers);
  const signedIn = new Headers({
    cookie: [...cookies].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('; '),
  });
  const getToken = async (): Promise<string> => (await auth.api.getToken({ headers: signedIn })).token;
  return { auth, tables, mails, cookies, signedIn, getToken, userId: response.user.id };
};

/** The verifier that such an application's services would have. */
export const createVerifier = async (
  source: 'url' | { tables: { jwks: Record<string, unknown>[] } } = 'url',
  options: JwksCacheOptions = {},
) => {
  const rows = async (): Promise<readonly JwksRow[]> =>
    source === 'url'
      ? []
      : source.tables.jwks.map(({ id, publicKey, alg, crv, expiresAt }) => ({
          id: String(id),
          publicKey: String(publicKey),
          alg: typeof alg === 'string' ? alg : null,
          crv: typeof crv === 'string' ? crv : null,
          expiresAt: expiresAt instanceof Date ? expiresAt.getTime() : null,
        }));
  const keys = createJwksCache(
    source === 'url' ? remoteJwks(new URL('/api/auth/jwks', origin)) : databaseJwks(rows),
    options,
  );
  sets.push(keys);
  await keys.start();
  return createTokenVerifier({
    hs256: { secrets: [SECRET] },
    issuers: [{ keys, issuer: origin, audiences: [origin] }],
  });
};
