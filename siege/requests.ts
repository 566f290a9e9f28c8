/** Requests of attackers as bytes of HTTP/2 and HTTP/1.1. */
import { callHeaders, END_HEADERS, END_STREAM, FRAME, headerBlock, http2Frame } from '../tools/network/http2-frames.ts';

export const CHECK = '/assent.auth.v1.AuthService/CheckPermission';
export const HEALTH = '/grpc.health.v1.Health/Check';
export const WATCH = '/grpc.health.v1.Health/Watch';

/** The frames of a gRPC call with a message, on one stream. */
export function grpcCall(stream: number, headers: Buffer, message: Uint8Array): Buffer {
  const framed = grpcMessage(message);
  return Buffer.concat([
    http2Frame(FRAME.HEADERS, END_HEADERS, stream, headers),
    http2Frame(FRAME.DATA, END_STREAM, stream, framed),
  ]);
}

/** A message in gRPC's frame. */
export function grpcMessage(message: Uint8Array, compressed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = compressed ? 1 : 0;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** The headers of a gRPC call with a caller token. */
export function callWithToken(path: string, token: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return callHeaders(path, { authorization: `Bearer ${token}`, ...more });
}

/** The headers of a call in JSON over HTTP/2. */
export function jsonHeaders(path: string, more: Readonly<Record<string, string>> = {}): Buffer {
  return headerBlock({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/json',
    ...more,
  });
}

/** A request of HTTP/1.1. */
export function http1Request(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Buffer {
  const lines = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
}
