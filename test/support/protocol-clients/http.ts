/** Callers by HTTP: Connect and gRPC-Web. */
import type { JsonObject } from '@bufbuild/protobuf';
import { AuthService } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import {
  type Answer,
  type CallOptions,
  codeName,
  decode,
  detailJson,
  encode,
  type MethodName,
  ok,
  type ProtocolClient,
  statusDetails,
} from './client.ts';

const post = (
  url: string,
  name: MethodName,
  type: string,
  body: Uint8Array | string,
  headers: Record<string, string>,
  signal: AbortSignal | undefined,
) =>
  fetch(`${url}/${AuthService.typeName}/${name}`, {
    method: 'POST',
    headers: { ...headers, 'content-type': type },
    body: typeof body === 'string' ? body : Buffer.from(body),
    signal: signal ?? null,
  });

/** Connect: JSON, as curl sends it; bytes as protobuf. */
export const connectClient = (url: string): ProtocolClient => {
  const run = async (
    name: MethodName,
    type: string,
    body: Uint8Array | string,
    { metadata = {}, timeoutMs = 10_000, signal }: CallOptions = {},
  ): Promise<Answer> => {
    const response = await post(
      url,
      name,
      type,
      body,
      { ...metadata, 'connect-timeout-ms': String(timeoutMs) },
      signal,
    );
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
export const grpcWebClient = (url: string): ProtocolClient => {
  const send: ProtocolClient['send'] = async (name, request, { metadata = {}, timeoutMs = 10_000, signal } = {}) => {
    const head = Buffer.alloc(HEAD_BYTES);
    head.writeUInt32BE(request.byteLength, 1);
    const headers = { ...metadata, 'grpc-timeout': `${timeoutMs}m` };
    const response = await post(
      url,
      name,
      'application/grpc-web+proto',
      Buffer.concat([head, request]),
      headers,
      signal,
    );
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
