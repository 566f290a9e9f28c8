/** Everything that the real Better Auth signs and that is no API token, shown to every rpc that takes a token. */
import { create } from '@bufbuild/protobuf';
import { createEmailVerificationToken } from 'better-auth/api';
import { symmetricEncodeJWT } from 'better-auth/crypto';
import type { JwtOptions } from 'better-auth/plugins';
import { expect, it } from 'vitest';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
  ListPermissionsRequestSchema,
  VerifyTokenRequestSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { systemClock } from '../../../src/clock.ts';
import { AssentError } from '../../../src/errors.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import { createHandlers } from '../../../src/rpc/handlers.ts';
import { createPageTokens } from '../../../src/rpc/page-token.ts';
import type { TokenVerifier } from '../../../src/token/principal.ts';
import { CALLER } from '../../support/caller.ts';
import { cookiesOf, createApplication, createVerifier, SECRET } from '../../support/token/application.ts';

/** Each rpc that takes a token: resolves to the code that refused it, or to null. */
const rpcsOf = (verifier: TokenVerifier) => {
  let reads = 0;
  const untouched = () => {
    throw new Error('no rpc of a token reads a directory');
  };
  const handlers = createHandlers({
    verifier,
    cache: {
      read: () => {
        reads += 1;
        return { facts: { user: null, organization: null }, tier: 'memory', readAt: 0 };
      },
    },
    directory: {
      ...{ userById: untouched, userByEmail: untouched, organizationById: untouched },
      ...{ organizationBySlug: untouched, memberships: untouched },
    },
    policy: () => parsePolicy('version: 1', 'policy.yaml'),
    pageTokens: createPageTokens(['the key of the pages']),
    clock: systemClock,
    onDecision: () => {},
  });
  const codeOf = async (work: () => unknown): Promise<string | null> => {
    try {
      await work();
      return null;
    } catch (error) {
      if (error instanceof AssentError) return error.code;
      throw error;
    }
  };
  const asked = (token: string) => ({ subject: { case: 'token', value: token }, permission: 'data:read' }) as const;
  const scopes = [
    { case: 'platform', value: {} },
    { case: 'organizationId', value: 'org-1' },
    { case: undefined },
  ] as const;
  return {
    reads: () => reads,
    refusals: async (token: string): Promise<readonly (string | null)[]> => {
      const refusals = [await codeOf(() => handlers.verifyToken(create(VerifyTokenRequestSchema, { token }), CALLER))];
      for (const scope of scopes) {
        const check = { ...asked(token), scope };
        refusals.push(
          await codeOf(() => handlers.checkPermission(create(CheckPermissionRequestSchema, check), CALLER)),
          await codeOf(() =>
            handlers.listPermissions(create(ListPermissionsRequestSchema, { subject: check.subject, scope }), CALLER),
          ),
        );
        const { results } = await handlers.batchCheckPermissions(
          create(BatchCheckPermissionsRequestSchema, { checks: [check, check] }),
          CALLER,
        );
        for (const { outcome } of results) refusals.push(outcome.case === 'error' ? outcome.value.reason : null);
      }
      return refusals;
    },
  };
};

type Strategy = 'compact' | 'jwt' | 'jwe';

/** By the name of each, what an application signs with its secret or its keys while people use it. */
const everythingSigned = async (strategy: Strategy, jwtOptions: JwtOptions): Promise<ReadonlyMap<string, string>> => {
  const { auth, mails, cookies, signedIn, userId, getToken } = await createApplication(jwtOptions, {
    cookieCache: { enabled: true, strategy },
  });
  const { internalAdapter, secretConfig } = await auth.$context;
  await internalAdapter.updateUser(userId, { emailVerified: true, role: 'admin' });
  await auth.api.changeEmail({ body: { newEmail: 'new@example.com' }, headers: signedIn });
  await auth.api.verifyEmail({
    query: { token: mails.find(({ kind }) => kind === 'change')?.token ?? '' },
    headers: signedIn,
  });
  const other = await auth.api.createUser({
    body: { name: 'Bob', email: 'bob@example.com', password: 'correct horse battery' },
  });
  const answers = await Promise.all([
    auth.api.signInEmail({
      body: { email: 'bob@example.com', password: 'correct horse battery', rememberMe: false },
      returnHeaders: true,
    }),
    auth.api.signInEmail({
      body: { email: 'ada@example.com', password: 'correct horse battery' },
      returnHeaders: true,
    }),
    auth.api.signInSocial({ body: { provider: 'google', callbackURL: '/' }, returnHeaders: true }),
  ]);
  const admin = new Headers({
    cookie: [...cookiesOf(answers[1].headers)]
      .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
      .join('; '),
  });
  const impersonation = await auth.api.impersonateUser({
    body: { userId: other.user.id },
    headers: admin,
    returnHeaders: true,
  });
  const signed = new Map<string, string>(mails.map(({ kind, token }, index) => [`mail ${index} (${kind})`, token]));
  for (const [index, headers] of [...answers, impersonation].map(({ headers }) => headers).entries()) {
    for (const [name, value] of cookiesOf(headers)) if (value !== '') signed.set(`cookie ${index} ${name}`, value);
  }
  for (const [name, value] of cookies) signed.set(`cookie ${name}`, value);
  signed.set(
    'account cookie',
    await symmetricEncodeJWT({ userId, email: 'ada@example.com' }, secretConfig, 'better-auth-account', 300),
  );
  const claims = { userId, role: 'admin', isActive: true, organizationId: 'org-1', orgRole: 'owner' };
  signed.set(
    'a link with every claim',
    await createEmailVerificationToken(SECRET, 'ada@example.com', 'new@example.com', 3600, claims),
  );
  // With nothing in it that says who it is for.
  const { token } = await auth.api.signJWT({ body: { payload: { room: 7 } } });
  signed.set('a JWT of the application about something else', token);
  expect(await getToken()).not.toBe('');
  return signed;
};

const STRATEGIES: readonly (readonly [string, Strategy, JwtOptions])[] = [
  ['compact', 'compact', {}],
  ['jwe', 'jwe', {}],
  ['jwt with the secret', 'jwt', {}],
  ['jwt with the keys of the plugin', 'jwt', { sessionCookieCache: true }],
];

it.each(STRATEGIES)(
  'every signed session cookie by %s is refused by every rpc, without a read',
  async (_, strategy, jwtOptions) => {
    const signed = await everythingSigned(strategy, jwtOptions);
    const names = [...signed.keys()].join(', ');
    for (const kind of [
      'session_token',
      'session_data',
      'dont_remember',
      'admin_session',
      'state',
      '_multi-',
      'mail 2',
    ]) {
      expect(names).toContain(kind);
    }
    const { refusals, reads } = rpcsOf(await createVerifier());
    for (const [name, value] of signed) {
      // As it is, as a header has it, and without the signature that Better Auth appends to cookies.
      for (const token of [value, `Bearer ${value}`, value.slice(0, value.lastIndexOf('.'))]) {
        if (token === '') continue;
        const codes = await refusals(token);
        expect(codes).toHaveLength(13);
        for (const code of codes) expect(code, `${name}: ${token}`).toMatch(/^TOKEN_(?:MALFORMED|CLAIMS_INVALID)$/);
      }
    }
    expect(reads()).toBe(0);
  },
);

it('the API token of the same application is accepted by every rpc', async () => {
  const { getToken } = await createApplication();
  const { refusals, reads } = rpcsOf(await createVerifier());
  const codes = await refusals(await getToken());
  expect(codes).toEqual(codes.map(() => null));
  expect(reads()).toBeGreaterThan(0);
});
