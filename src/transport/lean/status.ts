/** How a call ends, as gRPC over HTTP/2 writes it: `grpc-status` and what explains it. */
import type { OutgoingHttpHeaders } from 'node:http2';
import type { ErrorStatus } from '../../rpc/errors.ts';
import { encodeStatus } from '../status-details.ts';

/** A call that the door itself refuses, before any handler or instead of what one answered. */
export class RefusedCall extends Error {
  override readonly name = 'RefusedCall';
  /** A google.rpc.Code. */
  readonly code: number;
  /** Goes out beside the status. */
  readonly metadata: OutgoingHttpHeaders;

  constructor(code: number, message: string, metadata: OutgoingHttpHeaders = {}) {
    super(message);
    this.code = code;
    this.metadata = metadata;
  }
}

export const OK_TRAILERS: OutgoingHttpHeaders = Object.freeze({ 'grpc-status': '0' });

/** What a field's value may hold as it is. A space could end up at its edge, where HTTP/2 forbids it. */
const PLAIN = /^[\x21-\x24\x26-\x7e]*$/;

/** The percent-encoding of `grpc-message`: of the bytes of UTF-8, whatever the text. */
export const percentEncode = (text: string): string => {
  if (PLAIN.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const character = String.fromCharCode(byte);
    encoded += PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
};

/** Binary metadata: base64, by the specification's advice without padding. */
const binary = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/** The trailers of an error that a handler answered. */
export const errorTrailers = (status: ErrorStatus): OutgoingHttpHeaders => ({
  'grpc-status': String(status.code),
  'grpc-message': percentEncode(status.message),
  'grpc-status-details-bin': binary(encodeStatus(status)),
});

/** The trailers of a call that the door ends itself. */
export const refusalTrailers = ({ code, message, metadata }: RefusedCall): OutgoingHttpHeaders => ({
  'grpc-status': String(code),
  'grpc-message': percentEncode(message),
  ...metadata,
});
