/** The servers around handlers that do what the permission asked for says. */
import { createHash } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import {
  AuthService,
  BatchCheckPermissionsResponseSchema,
  type CheckPermissionRequest,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
  Reason,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import type { Caller } from '../../../src/admission/demand.ts';
import type { CallerEntry } from '../../../src/callers/entry.ts';
import { parseCallers } from '../../../src/callers/file.ts';
import { createKnownCallers } from '../../../src/callers/known-callers.ts';
import { createOpenCalls, type OpenCalls } from '../../../src/callers/open-calls.ts';
import { systemClock } from '../../../src/clock.ts';
import { callersOf } from '../../../src/config/caller-tokens.ts';
import type { Address, Config } from '../../../src/config/index.ts';
import { AssentError, invalidArgument } from '../../../src/errors.ts';
import {
  acceptEveryCall,
  type CallerAuthentication,
  createCallerAuthentication,
} from '../../../src/server/caller-authentication.ts';
import { Connections, type ConnectionsOptions, type EndReason } from '../../../src/server/connections.ts';
import type { Http1Bounds } from '../../../src/server/listener.ts';
import { API_RULES, type Method, methodsOf } from '../../../src/server/methods.ts';
import { createPipeline } from '../../../src/server/pipeline.ts';
import type { PipelineOptions } from '../../../src/server/pipeline-options.ts';
import { createServers, type NamedServer, type ServersOptions } from '../../../src/server/servers.ts';
import type { Scrape } from '../../../src/telemetry/metrics.ts';

/** A message beyond ASCII, with the characters that percent-encoding is about. */
export const ODD_MESSAGE = 'größer als 100 %\n\u{1f512}';

/** The addresses on which gRPC is spoken: one test goes through both. */
export const GRPC_SERVERS = [['grpc'], ['http']] as const;

export type ServerName = NamedServer['name'];

export interface TestServer {
  /** `127.0.0.1:50051` or `unix:/path`. */
  readonly address: string;
  readonly port: number;
  readonly url: string;
  /** The permissions that handlers were asked for. */
  readonly asked: readonly string[];
  /** The requests themselves. */
  readonly requests: readonly CheckPermissionRequest[];
  /** Lets the calls for `pending` go on. */
  release(): void;
  /** The names of the callers of the checks. */
  readonly callers: readonly (string | null)[];
  /** A test that expects some takes them out. */
  readonly defects: unknown[];
  /** The codes that were counted. */
  readonly counted: readonly number[];
  /** The names of callers with the codes of their calls, and with the reasons of refusals. */
  readonly byCaller: readonly (readonly [caller: string | null, code: number | string])[];
  /** Why the server ended connections. */
  readonly ended: readonly EndReason[];
  readonly connections: Connections;
  setServing(serving: boolean): void;
  drain(): void;
  stop(timeoutMs: number): Promise<void>;
}

export interface TestServerOptions extends Pick<ServersOptions, 'keepalive' | 'firstBytesMs' | 'arrivalMs'> {
  readonly address?: Address;
  readonly socketMode?: number;
  readonly tls?: Config['tls'];
  readonly authenticate?: CallerAuthentication;
  /** Ends no call by default. */
  readonly openCalls?: OpenCalls;
  readonly connectionLimits?: Partial<ConnectionsOptions>;
  readonly metrics?: Scrape;
  /** The address of the metrics server, which does not listen here. */
  readonly metricsAddress?: Address;
  readonly http1Bounds?: Http1Bounds;
  readonly traceCall?: PipelineOptions['traceCall'];
  /** Methods beside those of the API. */
  readonly methods?: readonly Method[];
}

/** Accepts a caller that sends this token. */
export function callersWith(token: string): CallerAuthentication {
  return callersIn(callersOf([{ name: 'test', digest: createHash('sha256').update(token).digest() }]));
}

/** Accepts the callers of a file's text. */
export function callersFrom(text: string): CallerAuthentication {
  const { value, problems } = parseCallers(text, { hasClientCertificates: true, workers: 1 });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return callersIn(value);
}

/** Callers of a file that changes, at a time that the test sets. */
export function changingCallers(text: string) {
  const parse = (file: string): readonly CallerEntry[] => {
    const { value, problems } = parseCallers(file, { hasClientCertificates: true, workers: 1 });
    if (problems.length > 0) throw new Error(problems.join('\n'));
    return value;
  };
  let callers = createKnownCallers(parse(text), 1);
  let now = Date.now();
  const openCalls = createOpenCalls(
    () => callers,
    () => now,
  );
  return {
    authenticate: createCallerAuthentication(() => callers, { now: () => now }),
    openCalls,
    change: (file: string): void => {
      callers = callers.changed(parse(file));
      openCalls.review();
    },
    setTime: (moment: string): void => {
      now = Date.parse(moment);
      openCalls.review();
    },
  };
}

function callersIn(entries: readonly CallerEntry[]): CallerAuthentication {
  const callers = createKnownCallers(entries, 1);
  return createCallerAuthentication(() => callers, systemClock);
}

const LOOPBACK: Address = { kind: 'tcp', host: '127.0.0.1', port: 0 };

/** Starts one server. It answers with the permission as `grantedBy`, of the size that `big:<bytes>` names. */
export async function openServer(name: ServerName, options: TestServerOptions = {}): Promise<TestServer> {
  const {
    address = LOOPBACK,
    tls = null,
    authenticate = acceptEveryCall,
    openCalls = { add: () => () => {}, onReview: () => {}, review: () => {} },
    connectionLimits = {},
    metrics,
    metricsAddress = null,
    socketMode = 0o660,
    traceCall = null,
    methods = [],
    ...bounds
  } = options;
  const requests: CheckPermissionRequest[] = [];
  const asked: string[] = [];
  const callers: (string | null)[] = [];
  const defects: unknown[] = [];
  const counted: number[] = [];
  const byCaller: (readonly [string | null, number | string])[] = [];
  const released = Promise.withResolvers<void>();
  const checkPermission = (request: CheckPermissionRequest, { name: caller }: Caller) => {
    callers.push(caller);
    requests.push(request);
    asked.push(request.permission);
    return answer(request.permission, released.promise);
  };
  const unasked = () => Promise.reject(new Error('not asked here'));
  const handlers = {
    ...Object.fromEntries(AuthService.methods.map(({ localName }) => [localName, unasked])),
    checkPermission,
    batchCheckPermissions: () => create(BatchCheckPermissionsResponseSchema),
  };
  const pipeline = createPipeline({
    authenticate,
    openCalls,
    replica: 'replica-1',
    position: () => ({ revision: 'epoch:7', takenAt: '2026-11-30T08:00:00.000000001Z' }),
    onCall: (_method, code) => counted.push(code),
    onCallerCall: (caller, code) => byCaller.push([caller, code]),
    onShed: () => {},
    onCallerRefused: (caller, _method, reason) => byCaller.push([caller, reason]),
    onDefect: (error) => defects.push(error),
    traceCall,
  });
  const ended: EndReason[] = [];
  const connections = new Connections({
    total: 0,
    perAddress: 0,
    strangers: 0,
    callersAuthenticate: authenticate !== acceptEveryCall,
    onEnded: (reason) => ended.push(reason),
    ...connectionLimits,
  });
  openCalls.onReview((holds) => connections.review(holds));
  const servers = createServers({
    pipeline,
    api: [...methodsOf(AuthService, handlers, API_RULES), ...methods],
    connections,
    // Only the one that is asked for listens.
    grpcAddress: address,
    httpAddress: address,
    metricsAddress: name === 'metrics' ? address : metricsAddress,
    socketMode,
    tls,
    metrics: metrics ?? (async () => ({ text: 'up 1\n', contentType: 'text/plain' })),
    ...bounds,
  });
  const server = servers.all.find((one) => one.name === name);
  if (server === undefined) throw new Error(`no server ${name}`);
  const listening = await server.listen();
  return {
    address: listening,
    port: Number(listening.split(':').at(-1)),
    url: `${tls === null ? 'http' : 'https'}://${listening}`,
    asked,
    requests,
    release: () => released.resolve(),
    callers,
    defects,
    counted,
    byCaller,
    ended,
    connections,
    setServing: servers.setServing,
    drain: servers.drain,
    stop: server.stop,
  };
}

function answer(
  permission: string,
  released: Promise<void>,
): CheckPermissionResponse | Promise<CheckPermissionResponse> {
  const [what = '', argument = ''] = permission.split(':');
  switch (what) {
    case 'later':
      return Promise.resolve(granted(permission));
    case 'pending':
      return released.then(() => granted(permission));
    case 'never':
      return new Promise(() => {});
    case 'big':
      return granted('x'.repeat(Number(argument)));
    case 'busy':
      spin(Number(argument));
      return granted(permission);
    case 'size':
      return granted(String(permission.length));
    case 'invalid':
      throw invalidArgument('permission', ODD_MESSAGE);
    case 'overloaded':
      return Promise.reject(new AssentError('OVERLOADED', 'Too many reads are waiting.'));
    case 'defect':
      throw new Error('SELECT secret FROM somewhere');
    case 'unencodable': {
      const response = granted(permission);
      // Binary has no half a second, and JSON no nanosecond before one.
      Object.assign(response, { computedAt: { $typeName: 'google.protobuf.Timestamp', seconds: 0.5, nanos: -1 } });
      return argument === 'later' ? Promise.resolve(response) : response;
    }
    default:
      return granted(permission);
  }
}

/** Holds the event loop for so many milliseconds. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function granted(grantedBy: string): CheckPermissionResponse {
  return create(CheckPermissionResponseSchema, { allowed: true, reason: Reason.ROLE_GRANTS, grantedBy });
}
