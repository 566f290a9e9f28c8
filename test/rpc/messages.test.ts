/** The messages that are written out are those that protobuf-es would make. */
import { create, isMessage, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  BatchCheckPermissionsResponseSchema,
  BatchCheckPermissionsResultSchema,
  CheckErrorSchema,
  CheckPermissionResponseSchema,
  PrincipalSchema,
  Reason,
  Source,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { DecisionReason } from '../../src/permission/decide.ts';
import { batchMessage, batchResultMessage, checkPermissionMessage } from '../../src/rpc/messages.ts';
import type { DecisionSource } from '../../src/rpc/services.ts';

const reasons = Object.keys(Reason).filter((name): name is DecisionReason => name !== 'UNSPECIFIED');
const sources: readonly DecisionSource[] = ['memory', 'redis', 'database', 'token'];
const decision = fc.record({
  allowed: fc.boolean(),
  reason: fc.constantFrom(...reasons),
  roles: fc.array(fc.string({ unit: 'binary' }), { maxLength: 3 }),
  grantedBy: fc.string({ unit: 'binary' }),
});
const principal = fc.record({
  userId: fc.string({ unit: 'binary' }),
  email: fc.string(),
  role: fc.string(),
  organizationId: fc.string(),
  organizationRole: fc.string(),
  isActive: fc.boolean(),
});
// Of the years 1 to 9999, with and without a fraction.
const moment = fc.oneof(
  fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }),
  fc.integer({ min: 0, max: 4_000_000_000 }).map((eighths) => eighths / 8),
);

it('single answers, and batches of them', () => {
  fc.assert(
    fc.property(
      decision,
      fc.constantFrom(...sources),
      moment,
      fc.option(principal),
      (made, source, computedAt, bearer) => {
        const ours = checkPermissionMessage(made, source, computedAt, bearer);
        const theirs = create(CheckPermissionResponseSchema, {
          ...made,
          reason: Reason[made.reason],
          source: Source[source.toUpperCase() as Uppercase<DecisionSource>],
          computedAt: timestampFromMs(computedAt),
          ...(bearer === null ? {} : { principal: create(PrincipalSchema, bearer) }),
        });
        expect(ours).toStrictEqual(theirs);
        expect(isMessage(ours, CheckPermissionResponseSchema)).toBe(true);

        const error = create(CheckErrorSchema, { code: 3, message: made.grantedBy, reason: 'permission' });
        const outcomes = [{ case: 'response', value: ours } as const, { case: 'error', value: error } as const];
        const batch = batchMessage(outcomes.map(batchResultMessage));
        const results = outcomes.map((outcome) => create(BatchCheckPermissionsResultSchema, { outcome }));
        const expected = create(BatchCheckPermissionsResponseSchema, { results });
        expect(batch).toStrictEqual(expected);
        expect(toBinary(BatchCheckPermissionsResponseSchema, batch)).toEqual(
          toBinary(BatchCheckPermissionsResponseSchema, expected),
        );
      },
    ),
    { numRuns: 300 },
  );
});

it('do not lend out the arrays that facts are kept in', () => {
  const roles = ['staff'];
  const message = checkPermissionMessage(
    { allowed: true, reason: 'ROLE_GRANTS', roles, grantedBy: 'staff' },
    'memory',
    0,
    null,
  );
  message.roles.push('owner');
  expect(roles).toEqual(['staff']);
});
