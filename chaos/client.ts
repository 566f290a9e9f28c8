/** Asks one replica by gRPC, with `assent-trace: 1`. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  AuthService,
  BatchCheckPermissionsRequestSchema,
  BatchCheckPermissionsResponseSchema,
  CheckPermissionRequestSchema,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
  Reason,
  Source,
} from '../gen/assent/auth/v1/auth_service_pb.ts';
import type { Answer } from './history.ts';
import { parseRevision, type Revision } from './streams.ts';

/** The pair to check. */
export interface Subject {
  readonly userId: string;
  readonly organizationId: string;
}

/** One answer, or the gRPC code in place of one, with what was said beside it. */
export type Outcome =
  | { readonly ok: true; readonly answer: Answer; readonly source: SourceName }
  | { readonly ok: false; readonly code: number; readonly detail: string };

export type SourceName = 'memory' | 'redis' | 'database';

export interface Reply {
  readonly sentAt: number;
  readonly receivedAt: number;
  readonly revision: Revision | null;
  /** One for each subject, in order. */
  readonly outcomes: readonly Outcome[];
}

export interface ReplicaClient {
  /** Asks about one by CheckPermission, about several by BatchCheckPermissions. Never rejects. */
  ask(subjects: readonly Subject[]): Promise<Reply>;
  close(): void;
}

/** Granted by staff and above in the demo's policy, not by viewer. */
export const PERMISSION = 'data:write';
const DEADLINE_MS = 5_000;
const INTERNAL = 13;

const trace = new Metadata();
trace.set('assent-trace', '1');

const asIs = (bytes: Buffer): Buffer => bytes;
const requestOf = ({ userId, organizationId }: Subject) =>
  create(CheckPermissionRequestSchema, {
    subject: { case: 'userId', value: userId },
    scope: { case: 'organizationId', value: organizationId },
    permission: PERMISSION,
  });

const SOURCES: ReadonlyMap<Source, SourceName> = new Map([
  [Source.MEMORY, 'memory'],
  [Source.REDIS, 'redis'],
  [Source.DATABASE, 'database'],
]);

const REASONS: ReadonlyMap<Reason, string> = new Map(Object.entries(Reason).map(([name, value]) => [value, name]));

const outcomeOf = ({ allowed, reason, roles, source }: CheckPermissionResponse): Outcome => {
  const from = SOURCES.get(source);
  if (from === undefined) return { ok: false, code: INTERNAL, detail: `source ${source}` };
  return {
    ok: true,
    answer: { allowed, reason: REASONS.get(reason) ?? String(reason), roles: roles.join() },
    source: from,
  };
};

const single = (subject: Subject) => ({
  path: `/${AuthService.typeName}/CheckPermission`,
  body: toBinary(CheckPermissionRequestSchema, requestOf(subject)),
  read: (bytes: Buffer): readonly Outcome[] => [outcomeOf(fromBinary(CheckPermissionResponseSchema, bytes))],
});

const batch = (subjects: readonly Subject[]) => ({
  path: `/${AuthService.typeName}/BatchCheckPermissions`,
  body: toBinary(
    BatchCheckPermissionsRequestSchema,
    create(BatchCheckPermissionsRequestSchema, { checks: subjects.map(requestOf) }),
  ),
  read: (bytes: Buffer): readonly Outcome[] =>
    fromBinary(BatchCheckPermissionsResponseSchema, bytes).results.map(({ outcome }) =>
      outcome.case === 'response'
        ? outcomeOf(outcome.value)
        : { ok: false, code: outcome.value?.code ?? INTERNAL, detail: outcome.value?.message ?? 'no outcome' },
    ),
});

/** Connects at the first call; settings as docs/operate/runbook.md gives them, but quicker to come back. */
export const createReplicaClient = (address: string): ReplicaClient => {
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 500,
  });
  return {
    ask: (subjects) => {
      const [first] = subjects;
      const { path, body, read } = first !== undefined && subjects.length === 1 ? single(first) : batch(subjects);
      return new Promise((resolve) => {
        let revision: Revision | null = null;
        const sentAt = performance.now();
        const done = (outcomes: readonly Outcome[]): void =>
          resolve({ sentAt, receivedAt: performance.now(), revision, outcomes });
        const deadline = Date.now() + DEADLINE_MS;
        client
          .makeUnaryRequest(path, asIs, asIs, Buffer.from(body), trace, { deadline }, (error, value) => {
            if (error === null && value !== undefined) done(read(value));
            else {
              const failed = {
                ok: false,
                code: error?.code ?? INTERNAL,
                detail: error?.details ?? 'no answer',
              } as const;
              done(subjects.map(() => failed));
            }
          })
          .on('metadata', (metadata) => {
            revision = parseRevision(metadata.get('assent-position')[0]?.toString() ?? '');
          });
      });
    },
    close: () => client.close(),
  };
};
