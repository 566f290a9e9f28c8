/** The parts of the client that need no server. */
import { create, toBinary } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
  Consistency,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { parseAddresses } from '../../../packages/client/src/address.ts';
import { checkedTarget } from '../../../packages/client/src/arguments.ts';
import { planBatches } from '../../../packages/client/src/batch.ts';
import { createBudget } from '../../../packages/client/src/budget.ts';
import { encodeBatch, encodeCheck } from '../../../packages/client/src/encode.ts';
import { createAssent, createFakeAssent } from '../../../packages/client/src/index.ts';
import { errorOf } from '../../../packages/client/src/status-error.ts';

describe('arguments', () => {
  it.each([
    [undefined, 'ADDRESS_MISSING'],
    ['', 'ADDRESS_MISSING'],
    ['http://assent:50051', 'ADDRESS_MALFORMED'],
    ['assent', 'ADDRESS_MALFORMED'],
    ['assent:0', 'ADDRESS_MALFORMED'],
    ['assent:70000', 'ADDRESS_MALFORMED'],
  ])('the address %j is refused when the client is made', (address, reason) => {
    expect(() => createAssent({ address: address as string })).toThrow(
      expect.objectContaining({ code: 'MISCONFIGURED', reason }),
    );
  });

  it('addresses of every form are read', () => {
    expect(parseAddresses('dns:///assent:50051, 10.0.0.1:1,[::1]:2,unix:///run/a.sock')).toEqual([
      { kind: 'name', host: 'assent', port: 50_051 },
      { kind: 'ip', host: '10.0.0.1', port: 1 },
      { kind: 'ip', host: '::1', port: 2 },
      { kind: 'unix', path: '/run/a.sock' },
    ]);
  });

  it.each([
    [{ user: 'u', organization: '' }, 'a:b', 'MISCONFIGURED', 'ORGANIZATION_EMPTY'],
    [{ token: 't', organization: undefined }, 'a:b', 'MISCONFIGURED', 'ORGANIZATION_EMPTY'],
    [{ user: 'u' }, 'a:b', 'MISCONFIGURED', 'SCOPE_MISSING'],
    [{ user: 'u', token: 't', platform: true }, 'a:b', 'MISCONFIGURED', 'SUBJECT_MISSING'],
    [{ user: 'u', organization: 'o' }, 'approve', 'MISCONFIGURED', 'PERMISSION_MALFORMED'],
    [{ user: 'u', organization: 'o' }, '', 'MISCONFIGURED', 'PERMISSION_MISSING'],
    [{ user: 'u'.repeat(513), organization: 'o' }, 'a:b', 'INVALID', 'USER_TOO_LONG'],
    [{ user: 'u', organization: '\ud800' }, 'a:b', 'INVALID', 'ORGANIZATION_NOT_UTF8'],
    [{ token: '' }, 'a:b', 'UNAUTHENTICATED', 'TOKEN_MISSING'],
    [{ token: 'x'.repeat(8_193) }, 'a:b', 'UNAUTHENTICATED', 'TOKEN_TOO_LONG'],
  ])('the check %# is refused before anything is sent', async (target, permission, code, reason) => {
    // Nothing listens there, and nothing is dialled.
    using assent = createAssent({ address: '127.0.0.1:1' });
    await expect(assent.can(target as never, permission)).rejects.toMatchObject({ code, reason });
    await expect(createFakeAssent().can(target as never, permission)).rejects.toMatchObject({ code, reason });
  });
});

describe('messages', () => {
  it.each(['u', 'ü'.repeat(42), 'x'.repeat(43), '語'.repeat(170)])(
    'a check of %s has the bytes of protobuf',
    (text) => {
      const subject = { case: 'userId' as const, value: text };
      const request = create(CheckPermissionRequestSchema, {
        subject,
        scope: { case: 'organizationId', value: text },
        permission: 'a:b',
        consistency: Consistency.FULL,
      });
      const bytes = encodeCheck(checkedTarget({ user: text, organization: text }), 'a:b', true);
      expect(new Uint8Array(bytes)).toEqual(toBinary(CheckPermissionRequestSchema, request));
      const platform = create(CheckPermissionRequestSchema, {
        subject: { case: 'token', value: text },
        scope: { case: 'platform', value: {} },
        permission: 'a:b',
      });
      const second = encodeCheck(checkedTarget({ token: text, platform: true }), 'a:b', false);
      expect(new Uint8Array(second)).toEqual(toBinary(CheckPermissionRequestSchema, platform));
      const batch = create(BatchCheckPermissionsRequestSchema, { checks: [request, platform] });
      expect(new Uint8Array(encodeBatch([bytes, second]))).toEqual(toBinary(BatchCheckPermissionsRequestSchema, batch));
    },
  );

  it('a batch has at most 500 checks and fewer than 4 MiB', () => {
    const small = Array.from({ length: 501 }, () => ({ message: Buffer.alloc(10) }));
    expect(planBatches(small).map(({ length }) => length)).toEqual([500, 1]);
    const large = Array.from({ length: 5 }, () => ({ message: Buffer.alloc(1_500_000) }));
    expect(planBatches(large).map(({ length }) => length)).toEqual([2, 2, 1]);
  });
});

it('a budget covers the calls in flight at once, and then a tenth of the calls', () => {
  const budget = createBudget(1 / 10);
  expect(Array.from({ length: 51 }, () => budget.take(50)).filter(Boolean)).toHaveLength(50);
  for (let calls = 0; calls < 9; calls += 1) budget.called();
  expect(budget.take(50)).toBe(false);
  for (let calls = 0; calls < 2; calls += 1) budget.called();
  expect(budget.take(50)).toBe(true);
});

it.each([
  [16, 'TOKEN_EXPIRED', 'UNAUTHENTICATED'],
  [16, 'CALLER_UNAUTHENTICATED', 'MISCONFIGURED'],
  [7, 'CALLER_METHOD_NOT_ALLOWED', 'MISCONFIGURED'],
  [12, 'UNIMPLEMENTED', 'MISCONFIGURED'],
  [3, 'checks[3].permission', 'MISCONFIGURED'],
  [3, 'checks[0].user_id', 'INVALID'],
  [3, 'token', 'UNAUTHENTICATED'],
  [14, 'DATABASE_UNAVAILABLE', 'UNAVAILABLE'],
  [8, 'OVERLOADED', 'UNAVAILABLE'],
  [13, 'INTERNAL', 'UNAVAILABLE'],
  [2, 'UNKNOWN', 'UNAVAILABLE'],
])('status %i with the reason %s is %s', (code, reason, expected) => {
  expect(errorOf(code, reason, '')).toMatchObject({ code: expected });
});

it('the fake answers from its grants, and fails when it is told to', async () => {
  const assent = createFakeAssent({
    tokens: { alice: { userId: 'u1', organizationId: 'acme' } },
    grants: [{ user: 'u1', organization: 'acme', permissions: ['leave:approve'] }],
  });
  expect(await assent.check({ token: 'alice' }, 'leave:approve')).toMatchObject({
    allowed: true,
    principal: { userId: 'u1' },
  });
  expect(await assent.can({ token: 'alice', organization: 'other' }, 'leave:approve')).toBe(false);
  assent.revoke('u1', { organization: 'acme' }, 'leave:approve');
  await expect(assent.require({ token: 'alice' }, 'leave:approve')).rejects.toMatchObject({
    code: 'DENIED',
    reason: 'ROLE_LACKS_PERMISSION',
    httpStatus: 403,
  });
  assent.failWith(new Error('on purpose'));
  await expect(assent.can({ token: 'alice' }, 'leave:approve')).rejects.toThrow('on purpose');
});
