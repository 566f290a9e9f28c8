/** The status of a call as gRPC over HTTP/2 writes it: `grpc-status` and the trailers that explain it. */
import type { OutgoingHttpHeaders } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';
import type { ErrorStatus } from '../../rpc/status.ts';

export const OK_TRAILERS: OutgoingHttpHeaders = Object.freeze({ 'grpc-status': '0' });

/** The trailers of a call that ends with an error. */
export function errorTrailers(status: ErrorStatus, metadata: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
  const trailers: OutgoingHttpHeaders = {
    'grpc-status': String(status.code),
    'grpc-message': percentEncode(status.message),
    ...metadata,
  };
  // The retry policies of clients obey it instead of their backoff (gRPC proposal A6).
  if (status.retryAfterMs !== undefined) trailers['grpc-retry-pushback-ms'] = String(status.retryAfterMs);
  if (status.details.length > 0) trailers['grpc-status-details-bin'] = statusDetails(status);
  return trailers;
}

/** `grpc-status-details-bin`: google.rpc.Status as base64, without padding as the specification advises. */
export function statusDetails({ code, message, details }: ErrorStatus): string {
  const bytes = toBinary(StatusSchema, create(StatusSchema, { code, message, details: [...details] }));
  return Buffer.from(bytes).toString('base64').replace(/=+$/, '');
}

/** Characters that need no encoding. A space is encoded: at the edge of a value HTTP/2 forbids it. */
const PLAIN = /^[\x21-\x24\x26-\x7e]*$/;

/** The percent-encoding of `grpc-message`: of the bytes of UTF-8. */
export function percentEncode(text: string): string {
  if (PLAIN.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const character = String.fromCharCode(byte);
    encoded += PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
