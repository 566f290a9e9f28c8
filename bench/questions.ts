/** The requests that are measured, and the answers that they must have. */
import { create, type DescMessage, fromBinary, type Message, type MessageShape, toBinary } from '@bufbuild/protobuf';
import {
  AuthService,
  BatchCheckPermissionsRequestSchema,
  BatchCheckPermissionsResponseSchema,
  type CheckPermissionRequest,
  CheckPermissionRequestSchema,
  CheckPermissionResponseSchema,
  Consistency,
  GetUserRequestSchema,
  GetUserResponseSchema,
  ListPermissionsRequestSchema,
  ListPermissionsResponseSchema,
  ListUserOrganizationsRequestSchema,
  ListUserOrganizationsResponseSchema,
  VerifyTokenRequestSchema,
  VerifyTokenResponseSchema,
} from '../gen/assent/auth/v1/auth_service_pb.ts';

/** One call with the test of its answer. */
export interface Question {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The message, not framed. */
  readonly body: Uint8Array;
  /** Whether these bytes are the answer that was expected. */
  readonly isAnswer: (body: Uint8Array) => boolean;
}

/** Whom the questions are about: a member who may read data. */
export interface Subject {
  readonly userId: string;
  readonly organizationId: string;
}

/** What every role of the policy grants. */
export const PERMISSION = 'data:read';

/** gRPC's frame around a message: not compressed, and its length. */
export const frame = (message: Uint8Array): Buffer => {
  const framed = Buffer.alloc(5 + message.length);
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
};

const question = <Output extends DescMessage>(
  method: string,
  body: Uint8Array,
  output: Output,
  expected: (answer: MessageShape<Output>) => boolean,
): Question => ({
  path: `/${AuthService.typeName}/${method}`,
  body,
  isAnswer: (bytes) => expected(fromBinary(output, bytes)),
});

const checkRequest = (asked: Partial<Omit<CheckPermissionRequest, keyof Message>>): CheckPermissionRequest =>
  create(CheckPermissionRequestSchema, { permission: PERMISSION, ...asked });

const inOrganization = (organizationId: string) => ({ case: 'organizationId', value: organizationId }) as const;

const check = (request: CheckPermissionRequest): Question =>
  question(
    'CheckPermission',
    toBinary(CheckPermissionRequestSchema, request),
    CheckPermissionResponseSchema,
    ({ allowed }) => allowed,
  );

/** CheckPermission by user id. */
export const checkByUserId = (
  { userId, organizationId }: Subject,
  consistency: Consistency = Consistency.UNSPECIFIED,
): Question =>
  check(
    checkRequest({ subject: { case: 'userId', value: userId }, scope: inOrganization(organizationId), consistency }),
  );

/** CheckPermission by token, in an organization that the call names. */
export const checkByToken = (token: string, organizationId: string): Question =>
  check(checkRequest({ subject: { case: 'token', value: token }, scope: inOrganization(organizationId) }));

/** BatchCheckPermissions of these subjects, one check each. */
export const checkBatch = (subjects: readonly Subject[]): Question => {
  const checks = subjects.map(({ userId, organizationId }) =>
    checkRequest({ subject: { case: 'userId', value: userId }, scope: inOrganization(organizationId) }),
  );
  return question(
    'BatchCheckPermissions',
    toBinary(BatchCheckPermissionsRequestSchema, create(BatchCheckPermissionsRequestSchema, { checks })),
    BatchCheckPermissionsResponseSchema,
    ({ results }) =>
      results.length === subjects.length &&
      results.every(({ outcome }) => outcome.case === 'response' && outcome.value.allowed),
  );
};

export const verifyToken = (token: string, userId: string): Question =>
  question(
    'VerifyToken',
    toBinary(VerifyTokenRequestSchema, create(VerifyTokenRequestSchema, { token })),
    VerifyTokenResponseSchema,
    ({ principal }) => principal?.userId === userId,
  );

export const getUser = (userId: string): Question =>
  question(
    'GetUser',
    toBinary(GetUserRequestSchema, create(GetUserRequestSchema, { lookup: { case: 'userId', value: userId } })),
    GetUserResponseSchema,
    ({ user }) => user?.id === userId,
  );

export const listUserOrganizations = (userId: string, count: number, pageToken = '', pageSize = 0): Question =>
  question(
    'ListUserOrganizations',
    toBinary(
      ListUserOrganizationsRequestSchema,
      create(ListUserOrganizationsRequestSchema, { userId, pageToken, pageSize }),
    ),
    ListUserOrganizationsResponseSchema,
    ({ memberships }) => memberships.length === count,
  );

export const listPermissions = ({ userId, organizationId }: Subject): Question =>
  question(
    'ListPermissions',
    toBinary(
      ListPermissionsRequestSchema,
      create(ListPermissionsRequestSchema, {
        subject: { case: 'userId', value: userId },
        scope: inOrganization(organizationId),
      }),
    ),
    ListPermissionsResponseSchema,
    ({ permissions }) => permissions.includes(PERMISSION),
  );
