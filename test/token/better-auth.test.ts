/** What the real Better Auth signs: its API tokens are taken, everything else that the same keys sign is refused. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BetterAuthOptions, betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { createEmailVerificationToken } from 'better-auth/api';
import { toNodeHandler } from 'better-auth/node';
import { admin, type JwtOptions, jwt } from 'better-auth/plugins';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { databaseKeySource, type StoredKey } from '../../src/token/database-keys.ts';
import { createKeySet, type KeySet, type KeySetOptions } from '../../src/token/key-set.ts';
import { remoteKeySource } from '../../src/token/remote-jwks.ts';
import { createTokenVerifier } from '../../src/token/verifier.ts';
import { refusalOf } from './support.ts';

const SECRET = 'better-auth-secret-of-the-tests-0123456789';

let server: Server;
let origin: string;
let sets: KeySet[];
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

/** A monolith in memory, served at the origin, with one user who has just signed up. */
const createMonolith = async (jwtOptions: JwtOptions = {}, session: BetterAuthOptions['session'] = {}) => {
  const mails: Mail[] = [];
  const tables = { user: [], session: [], account: [], verification: [], jwks: [] as Record<string, unknown>[] };
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
      changeEmail: {
        enabled: true,
        sendChangeEmailConfirmation: async ({ token }) => void mails.push({ kind: 'change', token }),
      },
    },
    session,
    plugins: [admin(), jwt(jwtOptions)],
  });
  respond = toNodeHandler(auth);
  const { headers, response } = await auth.api.signUpEmail({
    body: { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' },
    returnHeaders: true,
  });
  const cookies = new Map(
    headers.getSetCookie().map((line) => {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split('=');
      return [name, decodeURIComponent(value)] as const;
    }),
  );
  const signedIn = new Headers({
    cookie: [...cookies].map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('; '),
  });
  const getToken = async (): Promise<string> => (await auth.api.getToken({ headers: signedIn })).token;
  return { auth, tables, mails, cookies, signedIn, getToken, userId: response.user.id };
};

/** The verifier that such a monolith's services would have. */
const createVerifier = async (
  source: 'url' | { tables: { jwks: Record<string, unknown>[] } } = 'url',
  options: KeySetOptions = {},
) => {
  const rows = async (): Promise<readonly StoredKey[]> =>
    source === 'url'
      ? []
      : source.tables.jwks.map(({ id, publicKey, alg, crv, expiresAt }) => ({
          id: String(id),
          publicKey: String(publicKey),
          alg: typeof alg === 'string' ? alg : null,
          crv: typeof crv === 'string' ? crv : null,
          expiresAt: expiresAt instanceof Date ? expiresAt.getTime() : null,
        }));
  const keys = createKeySet(
    source === 'url' ? remoteKeySource(new URL('/api/auth/jwks', origin)) : databaseKeySource(rows),
    options,
  );
  sets.push(keys);
  await keys.start();
  return createTokenVerifier({
    hs256: { secrets: [SECRET] },
    asymmetric: { keys, issuer: origin, audience: origin },
  });
};

describe('a token of the jwt plugin', () => {
  it('as it comes is taken, with keys from its own URL', async () => {
    const { getToken, userId } = await createMonolith();
    const token = await getToken();
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'EdDSA', kid: expect.any(String) });
    const { exp = 0, iat = 0 } = decodeJwt(token);
    const verifier = await createVerifier();
    expect(await verifier.verify(token)).toEqual({
      principal: {
        userId,
        email: 'ada@example.com',
        role: 'user',
        organizationId: '',
        organizationRole: '',
        isActive: true,
      },
      issuedAt: iat,
      expiresAt: exp,
    });
  });

  it('with definePayload is taken, with keys from the table', async () => {
    const { getToken, tables, userId } = await createMonolith({
      jwt: {
        definePayload: ({ user }) => ({
          userId: user.id,
          email: user.email,
          role: user['role'],
          organizationId: 'org-1',
          orgRole: 'staff',
          isActive: user['banned'] !== true,
        }),
      },
    });
    const token = await getToken();
    const verifier = await createVerifier({ tables });
    expect(await verifier.verify(`Bearer ${token}`)).toMatchObject({
      principal: {
        userId,
        email: 'ada@example.com',
        role: 'user',
        organizationId: 'org-1',
        organizationRole: 'staff',
        isActive: true,
      },
    });
  });

  it.each([
    ['ES256', { alg: 'ES256' }],
    ['ES512', { alg: 'ES512' }],
    ['RS256', { alg: 'RS256', modulusLength: 2048 }],
    ['PS256', { alg: 'PS256', modulusLength: 2048 }],
  ] as const)('signed with %s is taken, with keys from either place', async (alg, keyPairConfig) => {
    const { getToken, tables, userId } = await createMonolith({ jwks: { keyPairConfig } });
    const token = await getToken();
    expect(decodeProtectedHeader(token).alg).toBe(alg);
    for (const source of ['url', { tables }] as const) {
      const verifier = await createVerifier(source);
      expect(await verifier.verify(token)).toMatchObject({ principal: { userId } });
    }
  });

  it('is taken when the row of its key says neither alg nor crv', async () => {
    const { getToken, tables, userId } = await createMonolith();
    const token = await getToken();
    for (const row of tables.jwks) Object.assign(row, { alg: null, crv: null });
    expect(await (await createVerifier({ tables })).verify(token)).toMatchObject({ principal: { userId } });
  });

  it('says that a banned user is not active', async () => {
    const { auth, getToken, userId } = await createMonolith();
    const { internalAdapter } = await auth.$context;
    await internalAdapter.updateUser(userId, { banned: true });
    const verifier = await createVerifier();
    expect(await verifier.verify(await getToken())).toMatchObject({ principal: { userId, isActive: false } });
  });

  it.each([
    ['iss', { issuer: 'https://other.example.com' }, 'TOKEN_ISSUER_MISMATCH'],
    ['aud', { audience: 'https://other.example.com' }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['exp', { expirationTime: 1_000 }, 'TOKEN_EXPIRED'],
  ] as const)('with another %s is refused', async (_name, options, code) => {
    const { getToken } = await createMonolith({ jwt: options });
    const verifier = await createVerifier();
    expect(await refusalOf(verifier.verify(await getToken()))).toBe(code);
  });

  it('with a new key after a rotation verifies at once, and the old one still does', async () => {
    const { getToken, tables, userId } = await createMonolith();
    const old = await getToken();
    const verifier = await createVerifier();
    await verifier.verify(old);
    for (const row of tables.jwks) Object.assign(row, { expiresAt: new Date(Date.now() - 1_000) });
    const fresh = await getToken();
    expect(decodeProtectedHeader(fresh).kid).not.toBe(decodeProtectedHeader(old).kid);
    expect(await verifier.verify(fresh)).toMatchObject({ principal: { userId } });
    expect(await verifier.verify(old)).toMatchObject({ principal: { userId } });
  });

  it('verifies when there was no key before it', async () => {
    const { getToken, tables, userId } = await createMonolith();
    const verifier = await createVerifier({ tables });
    expect(tables.jwks).toEqual([]);
    expect(await verifier.verify(await getToken())).toMatchObject({ principal: { userId } });
  });

  it('of another monolith is refused', async () => {
    const { getToken } = await createMonolith();
    const foreign = await getToken();
    await createMonolith();
    expect(await refusalOf((await createVerifier()).verify(foreign))).toBe('TOKEN_KEY_UNKNOWN');
  });
});

describe('what else the secret signs', () => {
  it('by mail is refused', async () => {
    const { auth, mails, signedIn, userId } = await createMonolith();
    const { internalAdapter } = await auth.$context;
    await internalAdapter.updateUser(userId, { emailVerified: true });
    await auth.api.changeEmail({ body: { newEmail: 'new@example.com' }, headers: signedIn });
    // The link of the first mail sends the second one, to the new address.
    const confirmation = mails.find(({ kind }) => kind === 'change')?.token ?? '';
    await auth.api.verifyEmail({ query: { token: confirmation }, headers: signedIn });
    expect(mails.map(({ kind }) => kind)).toEqual(['verification', 'change', 'verification']);
    const verifier = await createVerifier();
    for (const { token } of mails) {
      expect(decodeProtectedHeader(token)).toEqual({ alg: 'HS256' });
      expect(await refusalOf(verifier.verify(token))).toBe('TOKEN_CLAIMS_INVALID');
    }
  });

  it.each<[string, string | undefined, Record<string, unknown> | undefined]>([
    ['alone', undefined, undefined],
    ['with the user', undefined, { userId: 'user-1' }],
    ['with the new address', 'new@example.com', { userId: 'user-1' }],
    ['with what it is for', 'new@example.com', { userId: 'user-1', requestType: 'change-email-verification' }],
    [
      'with every claim of an API token',
      'new@example.com',
      { userId: 'user-1', role: 'admin', isActive: true, organizationId: 'org-1' },
    ],
  ])('as createEmailVerificationToken makes it %s is refused', async (_name, updateTo, extra) => {
    await createMonolith();
    const token = await createEmailVerificationToken(SECRET, 'ada@example.com', updateTo, 3600, extra);
    expect(await refusalOf((await createVerifier()).verify(token))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it.each<[string, 'compact' | 'jwt' | 'jwe', JwtOptions, string]>([
    ['compact', 'compact', {}, 'TOKEN_MALFORMED'],
    ['jwe', 'jwe', {}, 'TOKEN_MALFORMED'],
    ['jwt with the secret', 'jwt', {}, 'TOKEN_CLAIMS_INVALID'],
    ['jwt with the keys of the plugin', 'jwt', { sessionCookieCache: true }, 'TOKEN_CLAIMS_INVALID'],
  ])('as a session cookie, %s, is refused', async (_name, strategy, jwtOptions, code) => {
    const { cookies } = await createMonolith(jwtOptions, { cookieCache: { enabled: true, strategy } });
    const cookie = cookies.get('better-auth.session_data') ?? '';
    expect(cookie.length).toBeGreaterThan(100);
    const verifier = await createVerifier();
    expect(await refusalOf(verifier.verify(cookie))).toBe(code);
    const sessionToken = cookies.get('better-auth.session_token') ?? '';
    expect(sessionToken).not.toBe('');
    expect(await refusalOf(verifier.verify(sessionToken))).toBe('TOKEN_MALFORMED');
  });
});
