import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import {
  BatchCheckPermissionsRequestSchema,
  CheckPermissionRequestSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { AssentError } from '../../src/errors.ts';
import { DEFAULT_POLICY } from '../../src/permission/default-policy.ts';
import { parsePolicy } from '../../src/permission/policy-file.ts';
import { batchCheckPermissions } from '../../src/rpc/batch-check-permissions.ts';
import type { Services } from '../../src/rpc/services.ts';

const principal = { email: '', role: '', organizationId: 'org', organizationRole: '', isActive: true };
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

it('verifies each distinct token once, in whatever order and spelling it comes, and answers all', async () => {
  const parts = services();
  const tokens = ['a', 'Bearer a', 'bad', 'b', 'a', 'bearer  bad', 'b', 'bad'];
  const checks = tokens.map((value) =>
    create(CheckPermissionRequestSchema, { subject: { case: 'token', value }, permission: 'a:b' }),
  );
  const request = create(BatchCheckPermissionsRequestSchema, { checks });
  const { results } = await batchCheckPermissions(parts, request, () => {});
  expect(parts.verified).toEqual(['a', 'bad', 'b']);
  const users = results.map(({ outcome }) =>
    outcome.case === 'response' ? outcome.value.principal?.userId : outcome.value?.reason,
  );
  expect(users).toEqual(['a', 'a', 'TOKEN_MALFORMED', 'b', 'a', 'TOKEN_MALFORMED', 'b', 'TOKEN_MALFORMED']);

  // Nothing is kept from one batch to the next.
  await batchCheckPermissions(parts, request, () => {});
  expect(parts.verified).toHaveLength(6);
});
