/** What the real @better-auth/oauth-provider signs by the keys of the jwt plugin, shown to every rpc that takes a token. */
import { createHash, randomBytes } from 'node:crypto';
import { oauthProvider } from '@better-auth/oauth-provider';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { admin, jwt, organization, signJWT } from 'better-auth/plugins';
import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, SignJWT } from 'jose';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';
import type { ServingAssent } from '../../tools/assent/assent-process.ts';
import { TEST_SECRET } from '../support/application.ts';
import { callJson, startAssentUntil } from '../support/assent.ts';
import { testDatabase } from '../support/database.ts';
import { testFolder } from '../support/folder.ts';

const ORIGIN = 'http://localhost:3000';
/** The provider's issuer: the base URL with its path, where the jwt plugin's own tokens have the origin. */
const PROVIDER = `${ORIGIN}/api/auth`;
const API = 'https://api.example.com';
const CALLBACK = 'https://client.example.com/callback';

const { url } = await testDatabase();
const pool = new pg.Pool({ connectionString: url });
afterAll(() => pool.end());
const auth = betterAuth({
  database: pool,
  baseURL: ORIGIN,
  secret: TEST_SECRET,
  logger: { disabled: true },
  emailAndPassword: { enabled: true },
  plugins: [
    admin(),
    organization(),
    jwt(),
    oauthProvider({
      loginPage: '/login',
      consentPage: '/consent',
      scopes: ['openid', 'member:write', 'everything'],
      resources: [API, ORIGIN],
      enforcePerClientResources: false,
      clientPrivileges: async () => true,
      silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
    }),
  ],
});
await (await getMigrations(auth.options)).runMigrations();
const { headers, response } = await auth.api.signUpEmail({
  body: { name: 'Ada', email: 'ada@example.com', password: 'correct horse battery' },
  returnHeaders: true,
});
const cookie = headers
  .getSetCookie()
  .map((line) => line.split(';')[0])
  .join('; ');
const signedIn = new Headers({ cookie });
const userId = response.user.id;
const { id: acme } = await auth.api.createOrganization({ body: { name: 'Acme', slug: 'acme', userId } });

const client = await auth.api.adminCreateOAuthClient({
  headers: signedIn,
  body: {
    redirect_uris: [CALLBACK],
    skip_consent: true,
    grant_types: ['authorization_code', 'client_credentials'],
    token_endpoint_auth_method: 'client_secret_post',
    scope: 'openid member:write everything',
    client_credentials_scopes: ['member:write'],
  },
});
const identity = { client_id: client.client_id, client_secret: client.client_secret ?? '' };

const tokenOf = async (form: Record<string, string>, more: Record<string, string> = {}) => {
  const answer = await auth.handler(
    new Request(`${PROVIDER}/oauth2/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...more },
      body: new URLSearchParams({ ...form, ...identity }),
    }),
  );
  return (await answer.json()) as { access_token?: string; id_token?: string };
};

/** What the user grants to the application: an access token and an ID token. */
const authorized = async (scope: string, resource = API, more: Record<string, string> = {}) => {
  const verifier = randomBytes(32).toString('base64url');
  const query = new URLSearchParams({
    ...{ response_type: 'code', client_id: client.client_id, redirect_uri: CALLBACK, scope, resource },
    ...{ state: 'state', nonce: 'nonce', code_challenge_method: 'S256' },
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  });
  const answer = await auth.handler(new Request(`${PROVIDER}/oauth2/authorize?${query}`, { headers: { cookie } }));
  const code = new URL(answer.headers.get('location') ?? '').searchParams.get('code') ?? '';
  const grant = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier, resource };
  const { access_token: access = '', id_token: id = '' } = await tokenOf(grant, more);
  return { access, id };
};

/** A DPoP proof of a key that the client has, for the token endpoint. */
const dpopProof = async (): Promise<string> => {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  return new SignJWT({ htm: 'POST', htu: `${PROVIDER}/oauth2/token`, jti: randomBytes(16).toString('hex') })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(publicKey) })
    .setIssuedAt()
    .sign(privateKey);
};

/** A token as the jwt plugin signs it for others of Better Auth's plugins, which name the kind. */
const signedAs = async (typ: string, claims: object): Promise<string> =>
  signJWT({ context: await auth.$context } as never, { options: {}, payload: { ...claims }, header: { typ } } as never);

const folder = testFolder();
const POLICY = folder.file(
  'policy.yaml',
  `version: 2
organizationRoles:
  owner: { grants: { member: [create, delete], organization: [delete] } }
scopes:
  member:write: [member:create, member:delete]
  everything: [member:create, member:delete, organization:delete]
`,
);
const issuersOf = (types: string, audience: string): string =>
  folder.file(
    `issuers-${types}.yaml`,
    `issuers: [{ issuer: "${PROVIDER}", keys: database, audiences: ["${audience}"], types: [${types}] }]`,
  );

const start = (environment: Readonly<Record<string, string>>): Promise<ServingAssent> =>
  startAssentUntil(afterAll, { DATABASE_URL: url, BETTER_AUTH_URL: ORIGIN, ...environment });

/** The message with which each rpc refuses the token; they are one. */
const refusal = async (assent: ServingAssent, token: string): Promise<string> => {
  const check = { token, organizationId: acme, permission: 'member:create' };
  const errors = [
    await callJson(assent, 'VerifyToken', { token }),
    await callJson(assent, 'CheckPermission', check),
    await callJson(assent, 'ListPermissions', { token, organizationId: acme }),
    ((await callJson(assent, 'BatchCheckPermissions', { checks: [check] }))['results'] as { error: object }[])[0]
      ?.error,
  ];
  const messages = new Set(errors.map((error) => (error as { message?: string } | undefined)?.message));
  expect([...messages]).toHaveLength(1);
  const info = errors[3] as { reason?: string };
  expect(info.reason).toBe('TOKEN_CLAIMS_INVALID');
  return [...messages][0] ?? 'taken';
};

const tokens = {
  user: (await auth.api.getToken({ headers: signedIn })).token,
  reader: await authorized('openid'),
  writer: await authorized('openid member:write'),
  everything: await authorized('everything openid'),
  bound: await authorized('openid member:write', API, { DPoP: await dpopProof() }),
  own: await tokenOf({ grant_type: 'client_credentials', scope: 'member:write', resource: API }),
};

it('the tokens of this file have the kinds that their names say', () => {
  expect(decodeProtectedHeader(tokens.writer.access)).toMatchObject({ typ: 'at+jwt', alg: 'EdDSA' });
  const access = { sub: userId, iss: PROVIDER, client_id: client.client_id };
  expect(decodeJwt(tokens.writer.access)).toMatchObject({ ...access, scope: 'openid member:write' });
  expect(decodeJwt(tokens.writer.id)).toMatchObject({
    sub: userId,
    iss: PROVIDER,
    aud: client.client_id,
    nonce: 'nonce',
  });
  expect(decodeProtectedHeader(tokens.writer.id).typ).toBeUndefined();
  expect(decodeJwt(tokens.bound.access)).toMatchObject({ ...access, cnf: { jkt: expect.any(String) } });
  expect(decodeJwt(tokens.own.access_token ?? '')).toMatchObject({ ...access, sub: client.client_id });
});

describe('by the single variables, with the issuer and the audience of access tokens', async () => {
  const assent = await start({
    ASSENT_JWT_ISSUER: PROVIDER,
    ASSENT_JWT_AUDIENCE: `${API},${client.client_id}`,
    ASSENT_POLICY: POLICY,
  });

  it.each<[string, () => Promise<string>, string]>([
    ['an access token', async () => tokens.everything.access, 'an access token'],
    ['an access token that is bound to a key', async () => tokens.bound.access, 'an access token'],
    ['an access token of an application for itself', async () => tokens.own.access_token ?? '', 'an access token'],
    ['an ID token, even for its own audience', async () => tokens.writer.id, 'an ID token'],
    ['a logout token', () => signedAs('logout+jwt', { sub: userId, iss: PROVIDER, aud: API }), 'a logout token'],
    ['a DPoP proof', () => signedAs('dpop+jwt', { sub: userId, iss: PROVIDER, aud: API }), 'a DPoP proof'],
    [
      'a security event token',
      () => signedAs('secevent+jwt', { sub: userId, iss: PROVIDER, aud: API }),
      'a security event token',
    ],
  ])('without access tokens among the kinds, %s is refused by every rpc with its kind', async (_name, token, kind) => {
    expect(await refusal(assent, await token())).toContain(`The token is ${kind}, `);
  });
});

describe('with access tokens among the kinds', async () => {
  const assent = await start({ ASSENT_ISSUERS: issuersOf('at+jwt', API), ASSENT_POLICY: POLICY });
  const check = (token: string, permission: string) =>
    callJson(assent, 'CheckPermission', { token, organizationId: acme, permission });

  it('the Principal of an access token has the application and its scopes', async () => {
    expect(await callJson(assent, 'VerifyToken', { token: tokens.writer.access })).toMatchObject({
      principal: { userId, clientId: client.client_id, scopes: ['openid', 'member:write'] },
    });
    expect(await callJson(assent, 'VerifyToken', { token: tokens.user })).toMatchObject({
      principal: { userId, clientId: '', scopes: [] },
    });
  });

  it('an application is allowed only the permissions of its user that its scopes name', async () => {
    const granted = { allowed: true, reason: 'REASON_ROLE_GRANTS', grantedBy: 'owner' };
    const denied = { allowed: false, reason: 'REASON_SCOPE_LACKS_PERMISSION', roles: ['owner'], principal: { userId } };
    expect(await check(tokens.user, 'organization:delete')).toMatchObject(granted);
    expect(await check(tokens.everything.access, 'organization:delete')).toMatchObject(granted);
    expect(await check(tokens.writer.access, 'member:delete')).toMatchObject({ ...granted, principal: { userId } });
    expect(await check(tokens.writer.access, 'organization:delete')).toMatchObject(denied);
    expect(await check(tokens.reader.access, 'member:create')).toMatchObject(denied);
  });

  it('the scopes of an access token narrow a batch and a list alike', async () => {
    const checks = ['member:create', 'organization:delete'].map((permission) => ({
      ...{ token: tokens.writer.access, organizationId: acme },
      permission,
    }));
    expect(await callJson(assent, 'BatchCheckPermissions', { checks })).toMatchObject({
      results: [
        { response: { allowed: true } },
        { response: { allowed: false, reason: 'REASON_SCOPE_LACKS_PERMISSION' } },
      ],
    });
    const list = (token: string) => callJson(assent, 'ListPermissions', { token, organizationId: acme });
    expect(await list(tokens.user)).toMatchObject({
      permissions: ['member:create', 'member:delete', 'organization:delete'],
    });
    expect(await list(tokens.writer.access)).toMatchObject({
      permissions: ['member:create', 'member:delete'],
      reason: 'REASON_ROLE_GRANTS',
      roles: ['owner'],
    });
    const denied = { permissions: [], reason: 'REASON_SCOPE_LACKS_PERMISSION', roles: ['owner'] };
    expect(await list(tokens.reader.access)).toMatchObject(denied);
  });

  it('an access token that is bound to a key, or of an application for itself, is refused', async () => {
    expect(await refusal(assent, tokens.bound.access)).toContain('bound to a key');
    expect(await refusal(assent, tokens.own.access_token ?? '')).toContain('client_credentials');
  });
});

describe('with access tokens among the kinds, and no map of scopes', async () => {
  const assent = await start({ ASSENT_ISSUERS: issuersOf('at+jwt', API) });

  it('without a map of scopes an application is denied every permission of its user', async () => {
    const denied = { allowed: false, reason: 'REASON_SCOPE_LACKS_PERMISSION' };
    const question = { organizationId: acme, permission: 'organization:delete' };
    expect(await callJson(assent, 'CheckPermission', { token: tokens.user, ...question })).toMatchObject({
      allowed: true,
    });
    for (const { access: token } of [tokens.writer, tokens.everything, tokens.reader]) {
      expect(await callJson(assent, 'CheckPermission', { token, ...question })).toMatchObject(denied);
      expect(await callJson(assent, 'BatchCheckPermissions', { checks: [{ token, ...question }] })).toMatchObject({
        results: [{ response: denied }],
      });
      const list = await callJson(assent, 'ListPermissions', { token, organizationId: acme });
      expect(list).toMatchObject({ permissions: [], reason: denied.reason });
    }
  });
});

it('a configured kind of token that is never accepted stops the start, and its value is not repeated', async () => {
  await expect(start({ ASSENT_JWT_TYPES: 'JWT,logout+jwt' })).rejects.toThrow(
    'ASSENT_JWT_TYPES names a kind that is not known; the known kinds are JWT and at+jwt.',
  );
});
