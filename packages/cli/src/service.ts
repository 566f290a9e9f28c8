/** The calls of the command line, by gRPC. */
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import {
  AuthService,
  CheckPermissionRequestSchema,
  CheckPermissionResponseSchema,
  Consistency,
  ListPermissionsRequestSchema,
  ListPermissionsResponseSchema,
  type Principal as PrincipalMessage,
  Reason,
  Source,
  VerifyTokenRequestSchema,
  VerifyTokenResponseSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { BadRequestSchema, ErrorInfoSchema } from '../../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';
import {
  HealthCheckRequestSchema,
  HealthCheckResponse_ServingStatus,
  HealthCheckResponseSchema,
} from '../../../gen/grpc/health/v1/health_pb.ts';
import type { Connection } from './connection.ts';
import type { Decision, Principal, Scope } from './decision.ts';
import { CallError } from './errors.ts';

export type Subject = { readonly user: string } | { readonly token: string };

export interface Verified {
  readonly principal: Principal;
  readonly issuedAt: Date | null;
  readonly expiresAt: Date | null;
}

export interface Permissions extends Omit<Decision, 'allowed' | 'grantedBy' | 'principal'> {
  readonly permissions: readonly string[];
}

/** Every method throws {@link CallError}. */
export interface Service {
  check(subject: Subject, scope: Scope, permission: string, fresh: boolean): Promise<Decision>;
  permissions(subject: Subject, scope: Scope, fresh: boolean): Promise<Permissions>;
  verify(token: string): Promise<Verified>;
  /** Whether the service says that it serves: `SERVING`, `NOT_SERVING` or the like. */
  health(): Promise<string>;
  close(): void;
}

const ATTEMPT_AGAIN_MS = 50;

export function createService({ address, token, trusted, timeoutMs }: Connection): Service {
  const client = new Client(address, credentialsFor(trusted), {
    'grpc.initial_reconnect_backoff_ms': ATTEMPT_AGAIN_MS,
    'grpc.max_reconnect_backoff_ms': ATTEMPT_AGAIN_MS,
  });
  const call = <I extends DescMessage, O extends DescMessage>(
    path: string,
    input: I,
    output: O,
    message: MessageInitShape<I>,
  ): Promise<MessageShape<O>> => {
    const metadata = new Metadata();
    if (token !== null) metadata.set('authorization', `Bearer ${token}`);
    return new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (bytes: Uint8Array) => Buffer.from(bytes),
        (bytes) => fromBinary(output, bytes),
        toBinary(input, create(input, message)),
        metadata,
        { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, answer) => {
          if (error === null && answer !== undefined) resolve(answer);
          else reject(callError(error, address, timeoutMs));
        },
      );
    });
  };
  const method = (name: string) => `/${AuthService.typeName}/${name}`;
  const consistency = (fresh: boolean) => (fresh ? Consistency.FULL : Consistency.CACHED);
  return {
    check: async (subject, scope, permission, fresh) => {
      const answer = await call(
        method('CheckPermission'),
        CheckPermissionRequestSchema,
        CheckPermissionResponseSchema,
        {
          subject: subjectOf(subject),
          scope: scopeOf(scope),
          permission,
          consistency: consistency(fresh),
        },
      );
      return {
        allowed: answer.allowed,
        reason: nameIn(Reason, answer.reason),
        roles: answer.roles,
        grantedBy: answer.grantedBy,
        source: nameIn(Source, answer.source),
        computedAt: dateOf(answer.computedAt),
        principal: answer.principal === undefined ? null : principalOf(answer.principal),
      };
    },
    permissions: async (subject, scope, fresh) => {
      const answer = await call(
        method('ListPermissions'),
        ListPermissionsRequestSchema,
        ListPermissionsResponseSchema,
        {
          subject: subjectOf(subject),
          scope: scopeOf(scope),
          consistency: consistency(fresh),
        },
      );
      return {
        permissions: answer.permissions,
        reason: nameIn(Reason, answer.reason),
        roles: answer.roles,
        source: nameIn(Source, answer.source),
        computedAt: dateOf(answer.computedAt),
      };
    },
    verify: async (userToken) => {
      const answer = await call(method('VerifyToken'), VerifyTokenRequestSchema, VerifyTokenResponseSchema, {
        token: userToken,
      });
      if (answer.principal === undefined) throw new CallError('INTERNAL', '', 'the answer has no principal');
      const { principal, issuedAt, expiresAt } = answer;
      return { principal: principalOf(principal), issuedAt: dateOf(issuedAt), expiresAt: dateOf(expiresAt) };
    },
    health: async () => {
      const answer = await call('/grpc.health.v1.Health/Check', HealthCheckRequestSchema, HealthCheckResponseSchema, {
        service: AuthService.typeName,
      });
      return nameIn(HealthCheckResponse_ServingStatus, answer.status);
    },
    close: () => client.close(),
  };
}

function credentialsFor(trusted: Connection['trusted']) {
  if (trusted === null) return credentials.createInsecure();
  return trusted === 'system' ? credentials.createSsl() : credentials.createSsl(trusted);
}

function subjectOf(subject: Subject) {
  return 'user' in subject
    ? { case: 'userId' as const, value: subject.user }
    : { case: 'token' as const, value: subject.token };
}

function scopeOf({ organization, platform }: Scope) {
  if (platform) return { case: 'platform' as const, value: {} };
  return organization === null ? { case: undefined } : { case: 'organizationId' as const, value: organization };
}

function principalOf({ userId, email, organizationId, isActive, clientId, scopes }: PrincipalMessage): Principal {
  return { userId, email, organizationId, isActive, clientId, scopes };
}

function dateOf(timestamp: Timestamp | undefined): Date | null {
  return timestamp === undefined ? null : timestampDate(timestamp);
}

/** The name of a value; its number when a later version of the API has added it. */
function nameIn(names: object, value: number): string {
  return Object.entries(names).find(([, one]) => one === value)?.[0] ?? String(value);
}

function callError(error: ServiceError | null, address: string, timeoutMs: number): CallError {
  if (error === null) return new CallError('INTERNAL', '', 'the answer is empty');
  const code = nameIn(status, error.code);
  const { reason, fields } = detailsOf(error);
  if (error.code === status.DEADLINE_EXCEEDED) {
    return new CallError(code, reason, `${address} did not answer within ${timeoutMs} ms (--timeout)`);
  }
  // The service's own UNAVAILABLE has a reason; this one is of grpc-js.
  const unreachable = error.code === status.UNAVAILABLE && reason === '';
  const [, cause = error.details] = /Last error: (?:Error: )?(.*?)\.? Resolution note/.exec(error.details) ?? [];
  const message = unreachable ? `${address} cannot be reached: ${cause}` : [error.details, ...fields].join('; ');
  return new CallError(code, reason, reason === '' ? message : `${message} (${reason})`);
}

/** The reason of ErrorInfo, and the fields of BadRequest that the message does not name. */
function detailsOf(error: ServiceError): { readonly reason: string; readonly fields: readonly string[] } {
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
  if (!Buffer.isBuffer(bytes)) return { reason: '', fields: [] };
  let reason = '';
  const fields: string[] = [];
  for (const { typeUrl, value } of fromBinary(StatusSchema, bytes).details) {
    if (typeUrl.endsWith(`/${ErrorInfoSchema.typeName}`)) reason = fromBinary(ErrorInfoSchema, value).reason;
    if (typeUrl.endsWith(`/${BadRequestSchema.typeName}`)) {
      for (const violation of fromBinary(BadRequestSchema, value).fieldViolations) {
        if (!error.details.includes(violation.field)) fields.push(`${violation.field}: ${violation.description}`);
      }
    }
  }
  return { reason, fields };
}
