/** The two gRPC doors around the same dispatcher, whose handlers do what the permission asked for says. */
import { create } from '@bufbuild/protobuf';
import {
  BatchCheckPermissionsResponseSchema,
  type CheckPermissionRequest,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
  Reason,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { AssentError, invalidArgument } from '../../../src/errors.ts';
import type { Handlers } from '../../../src/rpc/handlers.ts';
import type { CallerGate } from '../../../src/transport/callers.ts';
import { createDispatcher } from '../../../src/transport/dispatch.ts';
import { type Door, type DoorOptions, KEEPALIVE } from '../../../src/transport/door.ts';
import { createGrpcJsDoor } from '../../../src/transport/grpc-js-door.ts';
import { createLeanDoor } from '../../../src/transport/lean/lean-door.ts';

/** Every implementation of the door, by the name that ASSENT_GRPC_DOOR takes. */
export const GRPC_DOORS = [
  ['grpc-js', createGrpcJsDoor],
  ['lean', createLeanDoor],
] as const;

export type CreateDoor = (options: DoorOptions) => Door;

/** A message beyond ASCII, with what percent-encoding is about. */
export const ODD_MESSAGE = 'größer als 100 %\n\u{1f512}';

export interface TestDoor {
  readonly door: Door;
  /** `127.0.0.1:50051` or `unix:/path`. */
  readonly address: string;
  readonly url: string;
  /** The permissions that handlers were asked for. */
  readonly asked: readonly string[];
  /** Lets the calls for `pending` go on. */
  release(): void;
  readonly defects: readonly unknown[];
  /** The codes that were counted. */
  readonly counted: readonly number[];
}

/** Answers: what was asked for, of the size that `big:<bytes>` names. */
export const openDoor = async (
  createDoor: CreateDoor,
  options: Partial<DoorOptions & { gate: CallerGate }> = {},
): Promise<TestDoor> => {
  const asked: string[] = [];
  const defects: unknown[] = [];
  const counted: number[] = [];
  const released = Promise.withResolvers<void>();
  const answer = (grantedBy: string): CheckPermissionResponse =>
    create(CheckPermissionResponseSchema, { allowed: true, reason: Reason.ROLE_GRANTS, grantedBy });

  const checkPermission = ({
    permission,
  }: CheckPermissionRequest): CheckPermissionResponse | Promise<CheckPermissionResponse> => {
    asked.push(permission);
    const [what = '', argument = ''] = permission.split(':');
    switch (what) {
      case 'later':
        return Promise.resolve(answer(permission));
      case 'pending':
        return released.promise.then(() => answer(permission));
      case 'never':
        return new Promise(() => {});
      case 'big':
        return answer('x'.repeat(Number(argument)));
      case 'size':
        return answer(String(permission.length));
      case 'invalid':
        throw invalidArgument('permission', ODD_MESSAGE);
      case 'overloaded':
        return Promise.reject(new AssentError('OVERLOADED', 'Too many reads are waiting.'));
      case 'defect':
        throw new Error('SELECT secret FROM somewhere');
      case 'unencodable': {
        const response = create(CheckPermissionResponseSchema, { computedAt: { seconds: 0.5 as never, nanos: 0 } });
        return argument === 'later' ? Promise.resolve(response) : response;
      }
      default:
        return answer(permission);
    }
  };
  const dispatcher = createDispatcher({
    handlers: {
      checkPermission,
      batchCheckPermissions: () => create(BatchCheckPermissionsResponseSchema),
    } as unknown as Handlers,
    gate: () => {},
    replica: 'replica-1',
    position: () => ({ revision: 'epoch:7', takenAt: '2026-11-30T08:00:00.000000001Z' }),
    onCall: (_method, code) => counted.push(code),
    onDefect: (error) => defects.push(error),
    traceCall: null,
    ...options,
  });
  const door = createDoor({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    tls: null,
    keepalive: KEEPALIVE,
    dispatcher,
    ...options,
  });
  const address = await door.listen();
  return {
    door,
    address,
    url: `${options.tls == null ? 'http' : 'https'}://${address}`,
    asked,
    release: () => released.resolve(),
    defects,
    counted,
  };
};

const nothing = Object.assign(() => {}, { each: () => () => {} });

/** `it` or `describe` where it is wanted; elsewhere nothing is declared, since a door's own ways are no test left out. */
export const onlyIf = <Declare extends object>(wanted: boolean, declare: Declare): Declare =>
  wanted ? declare : (nothing as unknown as Declare);
