import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
  Reason,
  Source,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { AssentError } from '../../../src/errors.ts';
import { DEFAULT_POLICY } from '../../../src/policy/defaults.ts';
import { parsePolicy } from '../../../src/policy/file.ts';
import { batchCheckPermissions } from '../../../src/rpc/batch-check-permissions.ts';
import { checkPermission } from '../../../src/rpc/check-permission.ts';
import type { Services } from '../../../src/rpc/services.ts';
import { CALLER } from '../../support/caller.ts';
import { createHs256Verifier, HS256_CLAIMS, signHmac } from '../../support/token/signing.ts';

const principal = { email: '', role: '', organizationId: 'org', organizationRole: '', isActive: true, client: null };
const policy = parsePolicy(DEFAULT_POLICY, 'default');
const services = (): Services & { readonly verified: readonly string[] } => {
  const verified: string[] = [];
  return {
    verified,
    verifier: {
      verify: async (token) => {
        verified.push(token);
        if (token.startsWith('bad')) throw new AssentError('TOKEN_MALFORMED', 'no');
        return { principal: { ...principal, userId: token }, issuedAt: null, expiresAt: 1 };
      },
    },
    cache: {
      read: () => ({ facts: { user: null, organization: null }, tier: 'memory', readAt: 0 }),
    },
    directory: {} as Services['directory'],
    policy: () => policy,
    pageTokens: {} as Services['pageTokens'],
    clock: { now: () => 0, monotonic: () => 0 },
    onDecision: () => {},
  };
};

it('a batch verifies each distinct token once, in any order and form, and answers all checks', async () => {
  const parts = services();
  const tokens = ['a', 'Bearer a', 'bad', 'b', 'a', 'bearer  bad', 'b', 'bad'];
  const checks = tokens.map((value) =>
    create(CheckPermissionRequestSchema, { subject: { case: 'token', value }, permission: 'a:b' }),
  );
  const request = create(BatchCheckPermissionsRequestSchema, { checks });
  const { results } = await batchCheckPermissions(parts, request, CALLER);
  expect(parts.verified).toEqual(['a', 'bad', 'b']);
  const users = results.map(({ outcome }) =>
    outcome.case === 'response' ? outcome.value.principal?.userId : outcome.value?.reason,
  );
  expect(users).toEqual(['a', 'a', 'TOKEN_MALFORMED', 'b', 'a', 'TOKEN_MALFORMED', 'b', 'TOKEN_MALFORMED']);

  // Nothing is kept from one batch to the next.
  await batchCheckPermissions(parts, request, CALLER);
  expect(parts.verified).toHaveLength(6);
});

it('a batch accepts one Bearer before a token, not two, as a single check does', async () => {
  const token = signHmac(HS256_CLAIMS);
  const checks = [`Bearer Bearer ${token}`, `Bearer ${token}`, token].map((value) =>
    create(CheckPermissionRequestSchema, { subject: { case: 'token', value }, permission: 'a:b' }),
  );
  const parts = { ...services(), verifier: await createHs256Verifier() };
  const alone = checks.map(async (one) => checkPermission(parts, one, CALLER));
  expect((await Promise.allSettled(alone)).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
  const request = create(BatchCheckPermissionsRequestSchema, { checks });
  const { results } = await batchCheckPermissions(parts, request, CALLER);
  expect(results.map(({ outcome }) => outcome.case)).toEqual(['error', 'response', 'response']);
});

const check = (userId: string, permission = 'a:b') =>
  create(CheckPermissionRequestSchema, {
    subject: { case: 'userId', value: userId },
    scope: { case: 'platform', value: {} },
    permission,
  });

it('a batch answers synchronously when every check does', async () => {
  const request = create(BatchCheckPermissionsRequestSchema, { checks: [check('a'), check('b', '*:*'), check('')] });
  const response = batchCheckPermissions(services(), request, CALLER);
  if (response instanceof Promise) throw new Error('it made its caller wait');
  expect(response.results.map(({ outcome }) => outcome.value?.reason)).toEqual([
    Reason.USER_NOT_FOUND,
    'checks[1].permission',
    'checks[2].user_id',
  ]);
});

it('a batch answers in the order of its checks, whichever of them are late, fail late or fail at once', async () => {
  const parts = services();
  const waits = new Map<string, PromiseWithResolvers<void>>();
  const reading = { facts: { user: null, organization: null }, tier: 'redis', readAt: 0 } as const;
  const read: Services['cache']['read'] = ({ userId }) => {
    if (userId.startsWith('at once')) return { ...reading, tier: 'memory' };
    if (userId === 'broken') throw new AssentError('DATABASE_UNAVAILABLE', 'no');
    const wait = Promise.withResolvers<void>();
    waits.set(userId, wait);
    return wait.promise.then(() => reading);
  };
  const users = ['late 1', 'at once 1', 'late 2', 'broken', 'late 3', 'at once 2'];
  const request = create(BatchCheckPermissionsRequestSchema, { checks: users.map((userId) => check(userId)) });
  const response = batchCheckPermissions({ ...parts, cache: { read } }, request, CALLER);
  waits.get('late 3')?.resolve();
  waits.get('late 2')?.reject(new AssentError('OVERLOADED', 'no'));
  waits.get('late 1')?.resolve();
  const { results } = await response;
  const said = results.map(({ outcome }) =>
    outcome.case === 'response' ? outcome.value.source : outcome.value?.reason,
  );
  const { MEMORY, REDIS } = Source;
  expect(said).toEqual([REDIS, MEMORY, 'OVERLOADED', 'DATABASE_UNAVAILABLE', REDIS, MEMORY]);
});

it('a batch answers synchronously for a token that verifies synchronously, and verifies only a few in one turn of the event loop', async () => {
  const parts = services();
  const verified: string[] = [];
  const verifier: Services['verifier'] = {
    verify: (token) => {
      verified.push(token);
      if (token === 'bad') throw new AssentError('TOKEN_EXPIRED', 'no');
      return { principal: { ...principal, userId: token }, issuedAt: null, expiresAt: 1 };
    },
  };
  const ask = (tokens: readonly string[]) =>
    batchCheckPermissions(
      { ...parts, verifier },
      create(BatchCheckPermissionsRequestSchema, {
        checks: tokens.map((value) =>
          create(CheckPermissionRequestSchema, { subject: { case: 'token', value }, permission: 'a:b' }),
        ),
      }),
      CALLER,
    );
  expect(ask(['a', 'a', 'b'])).not.toBeInstanceOf(Promise);
  expect(verified.splice(0)).toEqual(['a', 'b']);

  const tokens = ['bad', ...Array.from({ length: 20 }, (_, index) => `user ${index}`), 'bad', 'user 7', 'user 19'];
  const late = ask(tokens);
  expect(verified).toHaveLength(8);
  const { results } = await late;
  expect(verified).toEqual(tokens.slice(0, 21));
  const said = results.map(({ outcome }) =>
    outcome.case === 'response' ? outcome.value.principal?.userId : outcome.value?.reason,
  );
  expect(said).toEqual(tokens.map((token) => (token === 'bad' ? 'TOKEN_EXPIRED' : token)));
});

it('a defect of a check is reported by its call, whether the check is late or not, and the others are answered', async () => {
  const parts = services();
  const reading = { facts: { user: null, organization: null }, tier: 'memory', readAt: 0 } as const;
  const read: Services['cache']['read'] = ({ userId }) => {
    if (userId === 'at once') throw new Error('at once');
    return userId === 'late' ? Promise.reject(new Error('late')) : reading;
  };
  const defects: unknown[] = [];
  const caller = { ...CALLER, onDefect: (error: unknown) => defects.push(error) };
  const request = create(BatchCheckPermissionsRequestSchema, {
    checks: [check('late'), check('at once'), check('a')],
  });
  const { results } = await batchCheckPermissions({ ...parts, cache: { read } }, request, caller);
  expect(results.map(({ outcome }) => outcome.value?.reason)).toEqual(['INTERNAL', 'INTERNAL', Reason.USER_NOT_FOUND]);
  expect(defects).toEqual([new Error('at once'), new Error('late')]);
});

it('a batch of misses leaves the event loop to other calls before all of its reads have begun', async () => {
  const parts = services();
  let reads = 0;
  const read: Services['cache']['read'] = async () => {
    reads += 1;
    return { facts: { user: null, organization: null }, tier: 'database', readAt: 0 };
  };
  const check = create(CheckPermissionRequestSchema, {
    subject: { case: 'userId', value: 'u' },
    scope: { case: 'organizationId', value: 'o' },
    permission: 'a:b',
  });
  const request = create(BatchCheckPermissionsRequestSchema, { checks: Array.from({ length: 500 }, () => check) });
  const answer = batchCheckPermissions({ ...parts, cache: { read } }, request, CALLER);
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThan(100);
  const { results } = await answer;
  expect(reads).toBe(500);
  expect(results.every(({ outcome }) => outcome.case === 'response')).toBe(true);
});
