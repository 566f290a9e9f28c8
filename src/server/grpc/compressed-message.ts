/** Compressed messages of gRPC: the header `grpc-encoding` names the compression for all messages of a call. */
import { Code } from '../../rpc/status.ts';
import { type Compression, decompress } from '../compression.ts';
import { RefusedCall, UNKNOWN_COMPRESSION } from '../errors.ts';
import type { ServerCall } from './server-call.ts';

const NAMES = ['gzip', 'deflate'] as const satisfies readonly Compression[];

/**
 * Decompresses a message that is marked as compressed: at once where it is small.
 * @throws {RefusedCall} when the compression is unknown, or the message is too large or damaged; or rejects with it.
 */
export function inflate(call: ServerCall, payload: Buffer, maxBytes: number): Buffer | Promise<Buffer> {
  return decompress(payload, knownCompression(call), maxBytes, call);
}

/** @throws {RefusedCall} when the call names no compression, or an unknown one. */
export function knownCompression(call: ServerCall): (typeof NAMES)[number] {
  const encoding = call.header('grpc-encoding') ?? 'identity';
  if (encoding === 'identity') {
    throw new RefusedCall(Code.INTERNAL, 'A message is marked as compressed, and grpc-encoding names no compression.');
  }
  const known = NAMES.find((name) => name === encoding);
  if (known !== undefined) return known;
  throw new RefusedCall(Code.UNIMPLEMENTED, UNKNOWN_COMPRESSION, {
    'grpc-accept-encoding': ['identity', ...NAMES].join(),
  });
}
