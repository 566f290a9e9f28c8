/** Compression of messages in Connect and gRPC-Web: by the headers of a request, as connect negotiates it. */
import { Code } from '../../rpc/status.ts';
import { compress, decompress, type WaitingCall } from '../compression.ts';
import { RefusedCall, UNKNOWN_COMPRESSION } from '../errors.ts';

/** The compressions of one request and of its answer. */
export interface Negotiated {
  /** @throws {RefusedCall} when the request names an unknown compression. */
  check(): void;
  /** Also throws, or rejects, when the message is too large or damaged. */
  decompress(bytes: Uint8Array, maxBytes: number, call: WaitingCall): Uint8Array | Promise<Uint8Array>;
  /** Null when the answer stays as it is. */
  compress(bytes: Uint8Array): Promise<{ readonly name: string; readonly bytes: Uint8Array }> | null;
}

type Name = (typeof NAMES)[number];
const NAMES = ['gzip', 'br'] as const;

/** Answers below this size are not compressed, as in connect. */
const COMPRESS_MIN_BYTES = 1_024;

/** The names of encodings that are looked at. A header of 64 KiB could have 32,000. */
const MAX_ACCEPTED = 16;

/**
 * Negotiates the compressions of a request.
 * @param requested The header that names the request's own compression.
 * @param accepted The header with the encodings that the caller accepts.
 * @param acceptHeader The header of the answer that names the known compressions to a caller that used an unknown one.
 */
export function negotiate(
  requested: string | undefined,
  accepted: string | undefined,
  acceptHeader: string,
): Negotiated {
  const request = nameOf(requested);
  const response = accepted === undefined || accepted === '' ? request : firstOf(accepted);
  const check = (): void => {
    if (request !== null || requested === undefined || requested === 'identity') return;
    throw new RefusedCall(Code.UNIMPLEMENTED, UNKNOWN_COMPRESSION, { [acceptHeader]: NAMES.join() });
  };
  return {
    check,
    decompress: (bytes, maxBytes, call) => {
      check();
      // A message without a byte is empty, compressed or not.
      return request === null || bytes.length === 0 ? bytes : decompress(bytes, request, maxBytes, call);
    },
    compress: (bytes) =>
      response === null || bytes.byteLength < COMPRESS_MIN_BYTES
        ? null
        : compress(bytes, response).then((compressed) => ({ name: response, bytes: compressed })),
  };
}

function nameOf(text: string | undefined): Name | null {
  return NAMES.find((name) => name === text) ?? null;
}

function firstOf(accepted: string): Name | null {
  for (const text of accepted.split(',', MAX_ACCEPTED)) {
    const name = nameOf(text.trim());
    if (name !== null) return name;
  }
  return null;
}
