/**
 * The doors as their callers see them, so that one test goes through each of them. A further door is a line in
 * {@link DOORS}; its settings are the environment that opens it.
 */
import { createRegistry, fromBinary, fromJson, type JsonObject, toBinary, toJson } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { afterAll } from 'vitest';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { type ServingAssent, startAssent } from './assent-process.ts';

/** The methods of the service, as the API names them. */
export type MethodName =
  | 'VerifyToken'
  | 'CheckPermission'
  | 'BatchCheckPermissions'
  | 'ListPermissions'
  | 'GetUser'
  | 'GetOrganization'
  | 'ListUserOrganizations';

export interface CallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** What came of a call, the same whichever door it went through. */
export interface Answer {
  /** A name of google.rpc.Code. */
  readonly code: string;
  readonly message: string;
  /** google.rpc details as JSON, each with its `@type` without the host in front. */
  readonly details: readonly JsonObject[];
  /** The message as JSON with every field in it; null when the call failed. */
  readonly response: JsonObject | null;
  /** Metadata that came before the answer. */
  readonly header: (name: string) => string | null;
}

export interface DoorClient {
  /** @param request As JSON. */
  call(method: MethodName, request: JsonObject, options?: CallOptions): Promise<Answer>;
  /** @param request As bytes, which need not be a message. */
  send(method: MethodName, request: Uint8Array, options?: CallOptions): Promise<Answer>;
  close(): void;
}

/** A way into the service. */
export interface DoorUnderTest {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly open: (assent: ServingAssent) => DoorClient;
}

const registry = createRegistry(file_google_rpc_error_details);
const CODES =
  'OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED'.split(
    ' ',
  );

const codeName = (code: number): string => CODES[code] ?? String(code);
const descriptor = (name: MethodName) => {
  const method = AuthService.methods.find((one) => one.name === name);
  if (method === undefined) throw new Error(`there is no method ${name}`);
  return method;
};
const encode = (name: MethodName, request: JsonObject): Uint8Array => {
  const { input } = descriptor(name);
  return toBinary(input, fromJson(input, request));
};
const decode = (name: MethodName, bytes: Uint8Array): JsonObject => {
  const { output } = descriptor(name);
  return toJson(output, fromBinary(output, bytes), { alwaysEmitImplicit: true }) as JsonObject;
};

type Detail = { readonly typeUrl: string; readonly value: Uint8Array };
const detailJson = ({ typeUrl, value }: Detail): JsonObject => {
  const message = anyUnpack({ $typeName: 'google.protobuf.Any', typeUrl, value }, registry);
  const desc = message === undefined ? undefined : registry.getMessage(message.$typeName);
  if (message === undefined || desc === undefined) throw new Error(`an unknown detail: ${typeUrl}`);
  return { '@type': desc.typeName, ...(toJson(desc, message) as JsonObject) };
};
const statusDetails = (bytes: Uint8Array | undefined): readonly JsonObject[] =>
  bytes === undefined ? [] : fromBinary(StatusSchema, bytes).details.map(detailJson);

const ok = (response: JsonObject, header: Answer['header']): Answer => ({
  code: 'OK',
  message: '',
  details: [],
  response,
  header,
});

/** gRPC, by grpc-js. */
export const grpcClient = (address: string, channel = credentials.createInsecure()): DoorClient => {
  const client = new Client(address, channel, {
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': -1,
    // What the tests' certificates name; an address is no server name. Without TLS it means nothing.
    'grpc.ssl_target_name_override': 'localhost',
    // Tests of outages wait for a connection to be made again.
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 200,
  });
  const send: DoorClient['send'] = (name, request, { metadata = {}, timeoutMs = 10_000 } = {}) =>
    new Promise((resolve) => {
      const sent = new Metadata();
      for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
      let received = new Metadata();
      const header: Answer['header'] = (key) => received.get(key)[0]?.toString() ?? null;
      const asIs = (bytes: Buffer): Buffer => bytes;
      const answered = (error: ServiceError | null, bytes?: Buffer): void => {
        if (error === null) resolve(ok(decode(name, bytes ?? Buffer.alloc(0)), header));
        else {
          const [status] = error.metadata.get('grpc-status-details-bin');
          const details = statusDetails(Buffer.isBuffer(status) ? status : undefined);
          // grpc-js decodes only in part what connect encodes in full.
          const message = error.details.replace(/%[0-9A-F]{2}/g, decodeURIComponent);
          resolve({ code: codeName(error.code), message, details, response: null, header });
        }
      };
      client
        .makeUnaryRequest(
          `/${AuthService.typeName}/${name}`,
          asIs,
          asIs,
          Buffer.from(request),
          sent,
          { deadline: Date.now() + timeoutMs },
          answered,
        )
        .on('metadata', (came) => {
          received = came;
        });
    });
  return {
    call: (name, request, options) => send(name, encode(name, request), options),
    send,
    close: () => client.close(),
  };
};

const post = (
  url: string,
  name: MethodName,
  type: string,
  body: Uint8Array | string,
  headers: Record<string, string>,
) =>
  fetch(`${url}/${AuthService.typeName}/${name}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': type },
    body: typeof body === 'string' ? body : Buffer.from(body),
  });

/** Connect: JSON, as curl sends it; bytes as protobuf. */
export const connectClient = (url: string): DoorClient => {
  const run = async (
    name: MethodName,
    type: string,
    body: Uint8Array | string,
    { metadata = {}, timeoutMs = 10_000 }: CallOptions = {},
  ): Promise<Answer> => {
    const response = await post(url, name, type, body, { ...metadata, 'connect-timeout-ms': String(timeoutMs) });
    const header: Answer['header'] = (key) => response.headers.get(key);
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 200 && type.endsWith('proto')) return ok(decode(name, bytes), header);
    if (!header('content-type')?.includes('json')) {
      return { code: `HTTP ${response.status}`, message: '', details: [], response: null, header };
    }
    const json = JSON.parse(new TextDecoder().decode(bytes)) as JsonObject;
    if (response.status === 200) return ok(json, header);
    const details = (json['details'] ?? []) as unknown as readonly { readonly type: string; readonly value: string }[];
    return {
      code: String(json['code']).toUpperCase().replace('CANCELED', 'CANCELLED'),
      message: String(json['message']),
      details: details.map((one) =>
        detailJson({ typeUrl: `type.googleapis.com/${one.type}`, value: Buffer.from(one.value, 'base64') }),
      ),
      response: null,
      header,
    };
  };
  return {
    call: (name, request, options) => run(name, 'application/json', JSON.stringify(request), options),
    send: (name, request, options) => run(name, 'application/proto', request, options),
    close: () => {},
  };
};

const HEAD_BYTES = 5;

/** gRPC-Web, over HTTP/1.1. */
const grpcWebClient = (url: string): DoorClient => {
  const send: DoorClient['send'] = async (name, request, { metadata = {}, timeoutMs = 10_000 } = {}) => {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(request.byteLength, 1);
    const headers = { ...metadata, 'grpc-timeout': `${timeoutMs}m` };
    const response = await post(url, name, 'application/grpc-web+proto', Buffer.concat([head, request]), headers);
    const header: Answer['header'] = (key) => response.headers.get(key);
    let rest = Buffer.from(await response.arrayBuffer());
    let message = Buffer.alloc(0);
    let trailer = new Headers();
    while (rest.byteLength >= HEAD_BYTES) {
      const end = HEAD_BYTES + rest.readUInt32BE(1);
      const part = rest.subarray(HEAD_BYTES, end);
      if ((rest[0] ?? 0) < 128) message = part;
      else {
        const lines = part.toString('latin1').split('\r\n').filter(Boolean);
        trailer = new Headers(
          lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
        );
      }
      rest = rest.subarray(end);
    }
    const code = Number(trailer.get('grpc-status') ?? 2);
    if (code === 0) return ok(decode(name, message), header);
    const status = trailer.get('grpc-status-details-bin');
    const details = statusDetails(status === null ? undefined : Buffer.from(status, 'base64'));
    return {
      code: codeName(code),
      message: decodeURIComponent(trailer.get('grpc-message') ?? ''),
      details,
      response: null,
      header,
    };
  };
  return { call: (name, request, options) => send(name, encode(name, request), options), send, close: () => {} };
};

const http = ({ httpUrl }: ServingAssent): string => {
  if (httpUrl === null) throw new Error('the HTTP door is off');
  return httpUrl;
};

/** Every way in. */
export const DOORS: readonly DoorUnderTest[] = [
  { name: 'gRPC', settings: {}, open: ({ grpcAddress }) => grpcClient(grpcAddress) },
  {
    name: 'gRPC: grpc-js',
    settings: { ASSENT_GRPC_DOOR: 'grpc-js' },
    open: ({ grpcAddress }) => grpcClient(grpcAddress),
  },
  { name: 'HTTP: Connect', settings: {}, open: (assent) => connectClient(http(assent)) },
  { name: 'HTTP: gRPC-Web', settings: {}, open: (assent) => grpcWebClient(http(assent)) },
  { name: 'HTTP: gRPC', settings: {}, open: (assent) => grpcClient(new URL(http(assent)).host) },
];

/** Doors of one environment; processes are started when they are needed, and shared by doors of the same settings. */
export interface OpenDoors {
  assent(door: DoorUnderTest): Promise<ServingAssent>;
  client(door: DoorUnderTest): Promise<DoorClient>;
  /** Every process that was started. */
  assents(): Promise<readonly ServingAssent[]>;
}

/** Call it at the top of a file or of a `describe`; everything ends after its last test. */
export const openDoors = (environment: Readonly<Record<string, string | undefined>>): OpenDoors => {
  const assents = new Map<string, Promise<ServingAssent>>();
  const clients = new Map<string, DoorClient>();
  const assent = (door: DoorUnderTest): Promise<ServingAssent> => {
    const key = JSON.stringify(door.settings);
    const known = assents.get(key) ?? startAssent({ ...environment, ...door.settings });
    assents.set(key, known);
    return known;
  };
  afterAll(async () => {
    for (const client of clients.values()) client.close();
    await Promise.all([...assents.values()].map(async (one) => (await one).stop()));
  });
  return {
    assent,
    client: async (door) => {
      const client = clients.get(door.name) ?? door.open(await assent(door));
      clients.set(door.name, client);
      return client;
    },
    assents: () => Promise.all(assents.values()),
  };
};
