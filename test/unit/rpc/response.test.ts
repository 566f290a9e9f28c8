/** The literal messages equal the messages that protobuf-es creates. */
import { create, type DescMessage, fromBinary, fromJson, isMessage, toBinary, toJson } from '@bufbuild/protobuf';
import { type Timestamp, TimestampSchema, timestampFromMs } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  BatchCheckPermissionsResponseSchema,
  BatchCheckPermissionsResultSchema,
  CheckErrorSchema,
  CheckPermissionResponseSchema,
  MembershipSchema,
  PrincipalSchema,
  Reason,
  Source,
  UserSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import type { DecisionReason } from '../../../src/policy/decide.ts';
import {
  batchMessage,
  batchResultMessage,
  checkPermissionMessage,
  membershipMessage,
  timestampFromMillis,
  userMessage,
} from '../../../src/rpc/response.ts';
import type { DecisionSource } from '../../../src/rpc/services.ts';
import type { Principal } from '../../../src/token/principal.ts';

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
  client: fc.option(fc.record({ id: fc.string(), scopes: fc.array(fc.string()) })),
});
const principalTheirs = ({ client, ...rest }: Principal) =>
  create(PrincipalSchema, { ...rest, clientId: client?.id ?? '', scopes: [...(client?.scopes ?? [])] });
// The years 1 to 9999, by the millisecond; and those in which a double tells microseconds apart, by the microsecond.
const milliseconds = fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 });
const MICROSECONDS = 2 ** 42 * 1_000;
const microseconds = fc.oneof(
  fc.integer({ min: -MICROSECONDS, max: MICROSECONDS }),
  fc.integer({ min: Date.UTC(2020) * 1_000, max: Date.UTC(2040) * 1_000 }),
);
/** As PostgreSQL makes milliseconds of a stored time. */
const stored = (micros: number): number => micros / 1_000;
const microsOf = ({ seconds, nanos }: Timestamp): bigint => seconds * 1_000_000n + BigInt(nanos) / 1_000n;
const moment = fc.oneof(milliseconds, microseconds.map(stored));

it('single answers and batches of answers are encoded as protobuf-es encodes them', () => {
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
          computedAt: create(TimestampSchema, timestampFromMillis(computedAt)),
          ...(bearer === null ? {} : { principal: principalTheirs(bearer) }),
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

it('times in messages are exact to the stored microsecond', () => {
  fc.assert(
    fc.property(milliseconds, (whole) => {
      expect(timestampFromMillis(whole)).toStrictEqual(timestampFromMs(whole));
    }),
  );
  fc.assert(
    fc.property(microseconds, (micros) => {
      expect(microsOf(timestampFromMillis(stored(micros)))).toBe(BigInt(micros));
    }),
    { numRuns: 1_000 },
  );
});

it('users and memberships with any stored time can be encoded', () => {
  const any = fc.oneof(moment, fc.double());
  fc.assert(
    fc.property(any, any, any, (createdAt, updatedAt, until) => {
      const user = { id: 'u', name: '', email: '', emailVerified: true, image: null, roles: [], banReason: null };
      const organization = { id: 'o', name: '', slug: '', logo: null, metadata: null, createdAt };
      const messages = [
        [UserSchema, userMessage({ ...user, ban: { until }, createdAt, updatedAt }, 'user', -Infinity)],
        [MembershipSchema, membershipMessage({ organization, roles: [], joinedAt: updatedAt })],
      ] as const;
      for (const [schema, message] of messages) {
        expect(fromBinary<DescMessage>(schema, toBinary<DescMessage>(schema, message))).toEqual(message);
        expect(fromJson<DescMessage>(schema, toJson<DescMessage>(schema, message))).toEqual(message);
      }
    }),
    { numRuns: 1_000 },
  );
});

it('a ban that has ended is not shown, nor why and until when', () => {
  const times = { createdAt: 0, updatedAt: 0 };
  const user = { id: 'u', name: '', email: '', emailVerified: true, image: null, roles: [], ...times };
  const shown = (until: number | null) => {
    const { banned, banReason, banExpiresAt } = userMessage(
      { ...user, ban: { until }, banReason: 'spam' },
      'user',
      1_000,
    );
    return { banned, banReason, banExpiresAt: banExpiresAt?.seconds };
  };
  expect(shown(null)).toEqual({ banned: true, banReason: 'spam', banExpiresAt: undefined });
  expect(shown(2_000)).toEqual({ banned: true, banReason: 'spam', banExpiresAt: 2n });
  expect(shown(1_000)).toEqual({ banned: false, banReason: '', banExpiresAt: undefined });
});

it('messages do not share their arrays with cached facts', () => {
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
