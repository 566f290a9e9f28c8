/** What the real Better Auth signs: its API tokens are taken, everything else that the same keys sign is refused. */
import { createEmailVerificationToken } from 'better-auth/api';
import type { DBFieldAttribute } from 'better-auth/db';
import type { JwtOptions } from 'better-auth/plugins';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { describe, expect, it } from 'vitest';
import { createApplication, createVerifier, SECRET } from '../../support/token/application.ts';
import { refusalOf } from '../../support/token/signing.ts';

describe('a token of the jwt plugin', () => {
  it('a token of the jwt plugin with the default options is accepted, with keys from its JWKS URL', async () => {
    const { getToken, userId } = await createApplication();
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
        client: null,
      },
      issuedAt: iat,
      expiresAt: exp,
    });
  });

  it('a token of the jwt plugin with definePayload is accepted, with keys from the table', async () => {
    const { getToken, tables, userId } = await createApplication({
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
  ] as const)(
    'a token of the jwt plugin signed with %s is accepted, with keys from either place',
    async (alg, keyPairConfig) => {
      const { getToken, tables, userId } = await createApplication({ jwks: { keyPairConfig } });
      const token = await getToken();
      expect(decodeProtectedHeader(token).alg).toBe(alg);
      for (const source of ['url', { tables }] as const) {
        const verifier = await createVerifier(source);
        expect(await verifier.verify(token)).toMatchObject({ principal: { userId } });
      }
    },
  );

  it('a token of the jwt plugin is accepted when the row of its key has neither alg nor crv', async () => {
    const { getToken, tables, userId } = await createApplication();
    const token = await getToken();
    for (const row of tables.jwks) Object.assign(row, { alg: null, crv: null });
    expect(await (await createVerifier({ tables })).verify(token)).toMatchObject({ principal: { userId } });
  });

  it('a token of the jwt plugin is refused when getSubject gives a subject that users can choose, such as their name', async () => {
    const { getToken, tables } = await createApplication({ jwt: { getSubject: ({ user }) => user.name } });
    const verifier = await createVerifier({ tables });
    expect(await refusalOf(async () => verifier.verify(await getToken()))).toBe('TOKEN_CLAIMS_INVALID');
  });

  it('a token of the jwt plugin names the user of definePayload when getSubject gives another subject', async () => {
    const { getToken, tables, userId } = await createApplication({
      jwt: {
        getSubject: ({ user }) => user.name,
        definePayload: ({ user }) => ({ userId: user.id, email: user.email }),
      },
    });
    const verifier = await createVerifier({ tables });
    expect(await verifier.verify(await getToken())).toMatchObject({ principal: { userId } });
  });

  it.each<[string, DBFieldAttribute['type'], unknown, object]>([
    ['isActive', 'boolean', null, { isActive: true }],
    ['isActive', 'boolean', false, { isActive: false }],
    ['isActive', 'number', 0, { isActive: false }],
    ['isActive', 'number', 1, { isActive: true }],
    ['organizationId', 'number', 7, { organizationId: '7' }],
    ['organizationId', 'string[]', ['org-1', 'org-2'], { organizationId: '' }],
    ['organizationId', 'string', null, { organizationId: '' }],
    ['orgRole', 'string[]', ['admin', 'staff'], { organizationRole: 'admin,staff' }],
    ['orgRole', 'number', 3, { organizationRole: '' }],
    ['userId', 'number', 7, {}],
    ['userId', 'string', null, {}],
    ['userId', 'number[]', [1, 2], {}],
    ['scope', 'string', 'openid', { client: null }],
    ['client_id', 'string', 'client', { client: null }],
    ['events', 'string[]', ['a'], { client: null }],
    ['nbf', 'number', null, {}],
  ])(
    'a token of the jwt plugin without definePayload is accepted with a column %s of the type %s that is %j',
    async (column, type, value, principal) => {
      const { auth, getToken, userId } = await createApplication({}, {}, { [column]: { type, required: false } });
      const { internalAdapter } = await auth.$context;
      await internalAdapter.updateUser(userId, { [column]: value });
      const token = await getToken();
      expect(decodeJwt(token)[column]).toEqual(value);
      const verifier = await createVerifier();
      expect(await verifier.verify(token)).toMatchObject({
        principal: { userId, email: 'ada@example.com', ...principal },
      });
    },
  );

  it.each<[string, DBFieldAttribute['type'], unknown]>([
    ['userId', 'string', 'somebody-else'],
    ['isActive', 'string', 'no'],
    ['nonce', 'string', 'n'],
    ['cnf', 'string', 'key'],
  ])(
    'a token of the jwt plugin without definePayload stays refused with a column %s of the type %s that is %j',
    async (column, type, value) => {
      const { auth, getToken, userId } = await createApplication({}, {}, { [column]: { type, required: false } });
      const { internalAdapter } = await auth.$context;
      await internalAdapter.updateUser(userId, { [column]: value });
      const verifier = await createVerifier();
      expect(await refusalOf(async () => verifier.verify(await getToken()))).toBe('TOKEN_CLAIMS_INVALID');
    },
  );

  it('a token of the jwt plugin of a banned user has an inactive principal', async () => {
    const { auth, getToken, userId } = await createApplication();
    const { internalAdapter } = await auth.$context;
    await internalAdapter.updateUser(userId, { banned: true });
    const verifier = await createVerifier();
    expect(await verifier.verify(await getToken())).toMatchObject({ principal: { userId, isActive: false } });
  });

  it.each([
    ['iss', { issuer: 'https://other.example.com' }, 'TOKEN_ISSUER_MISMATCH'],
    ['aud', { audience: 'https://other.example.com' }, 'TOKEN_AUDIENCE_MISMATCH'],
    ['exp', { expirationTime: 1_000 }, 'TOKEN_EXPIRED'],
  ] as const)('a token of the jwt plugin with another %s is refused', async (_name, options, code) => {
    const { getToken } = await createApplication({ jwt: options });
    const verifier = await createVerifier();
    expect(await refusalOf(async () => verifier.verify(await getToken()))).toBe(code);
  });

  it.each(['its own URL', 'the table'])(
    'tokens of the jwt plugin verify with the new key right after a rotation, and with the old key, with keys from %s',
    async (source) => {
      const { getToken, tables, userId } = await createApplication();
      const old = await getToken();
      const verifier = await createVerifier(source === 'the table' ? { tables } : 'url');
      await verifier.verify(old);
      for (const row of tables.jwks) Object.assign(row, { expiresAt: new Date(Date.now() - 1_000) });
      const fresh = await getToken();
      expect(decodeProtectedHeader(fresh).kid).not.toBe(decodeProtectedHeader(old).kid);
      expect(await verifier.verify(fresh)).toMatchObject({ principal: { userId } });
      expect(await verifier.verify(old)).toMatchObject({ principal: { userId } });
    },
  );

  it('a token of the jwt plugin verifies when the first key is published after the start of the cache', async () => {
    const { getToken, tables, userId } = await createApplication();
    const verifier = await createVerifier({ tables });
    expect(tables.jwks).toEqual([]);
    expect(await verifier.verify(await getToken())).toMatchObject({ principal: { userId } });
  });

  it('a token of the jwt plugin of another application is refused', async () => {
    const { getToken } = await createApplication();
    const foreign = await getToken();
    await createApplication();
    expect(await refusalOf(async () => (await createVerifier()).verify(foreign))).toBe('TOKEN_KEY_UNKNOWN');
  });
});

describe('another text that is signed with the secret', () => {
  it('another text that is signed with the secret is refused when Better Auth sent it by e-mail', async () => {
    const { auth, mails, signedIn, userId } = await createApplication();
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
      expect(await refusalOf(() => verifier.verify(token))).toBe('TOKEN_CLAIMS_INVALID');
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
  ])(
    'another text that is signed with the secret is refused when createEmailVerificationToken made it %s',
    async (_name, updateTo, extra) => {
      await createApplication();
      const token = await createEmailVerificationToken(SECRET, 'ada@example.com', updateTo, 3600, extra);
      expect(await refusalOf(async () => (await createVerifier()).verify(token))).toBe('TOKEN_CLAIMS_INVALID');
    },
  );

  it.each<[string, 'compact' | 'jwt' | 'jwe', JwtOptions, string]>([
    ['compact', 'compact', {}, 'TOKEN_MALFORMED'],
    ['jwe', 'jwe', {}, 'TOKEN_MALFORMED'],
    ['jwt with the secret', 'jwt', {}, 'TOKEN_CLAIMS_INVALID'],
    ['jwt with the keys of the plugin', 'jwt', { sessionCookieCache: true }, 'TOKEN_CLAIMS_INVALID'],
  ])(
    'another text that is signed with the secret is refused when it is a session cookie: %s',
    async (_name, strategy, jwtOptions, code) => {
      const { cookies } = await createApplication(jwtOptions, { cookieCache: { enabled: true, strategy } });
      const cookie = cookies.get('better-auth.session_data') ?? '';
      expect(cookie.length).toBeGreaterThan(100);
      const verifier = await createVerifier();
      expect(await refusalOf(() => verifier.verify(cookie))).toBe(code);
      const sessionToken = cookies.get('better-auth.session_token') ?? '';
      const [bare = ''] = sessionToken.split('.');
      for (const [text, look] of [
        [bare, 'it looks like a session token'],
        [sessionToken, 'it looks like a session cookie'],
        [encodeURIComponent(sessionToken), 'it looks like a session cookie'],
        [`better-auth.session_token=${encodeURIComponent(sessionToken)}`, 'it looks like a session cookie'],
        ...(strategy === 'compact' ? [[cookie, 'it looks like a session cookie'] as const] : []),
        ...(strategy === 'jwe' ? [[cookie, 'it looks like an encrypted token'] as const] : []),
      ] as const) {
        const error = await (async () => verifier.verify(text))().catch((refused: unknown) => refused);
        expect(error).toMatchObject({ code: 'TOKEN_MALFORMED', message: expect.stringContaining(look) });
        expect(error).toMatchObject({ message: expect.stringContaining('/api/auth/token') });
        expect(error).toMatchObject({ message: expect.not.stringContaining(bare) });
      }
    },
  );
});
