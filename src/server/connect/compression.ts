/** Compression of messages in Connect and gRPC-Web, as connect negotiates it. */
import { ConnectError } from '@connectrpc/connect';
import { compressionNegotiate } from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { Code } from '../../rpc/status.ts';
import { RefusedCall, tooLarge, UNKNOWN_COMPRESSION } from '../errors.ts';

/** The compressions of one request and of its answer. */
export interface Negotiated {
  decompress(bytes: Uint8Array, maxBytes: number): Promise<Uint8Array>;
  /** Null when the answer stays as it is. */
  compress(bytes: Uint8Array): Promise<{ readonly name: string; readonly bytes: Uint8Array }> | null;
}

const COMPRESSIONS = [compressionGzip, compressionBrotli];
/** Answers below this size are not compressed, as in connect. */
const COMPRESS_MIN_BYTES = 1_024;

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
  const { request, response, error } = compressionNegotiate(
    COMPRESSIONS,
    requested ?? null,
    accepted ?? null,
    acceptHeader,
  );
  return {
    decompress: async (bytes, maxBytes) => {
      if (error !== undefined) {
        const known = COMPRESSIONS.map(({ name }) => name).join();
        throw new RefusedCall(Code.UNIMPLEMENTED, UNKNOWN_COMPRESSION, { [acceptHeader]: known });
      }
      if (request === null) return bytes;
      try {
        return await request.decompress(bytes, maxBytes);
      } catch (cause) {
        // Anything else is a message that cannot be read, which the pipeline says.
        throw ConnectError.from(cause).code === (Code.RESOURCE_EXHAUSTED as number) ? tooLarge(maxBytes) : cause;
      }
    },
    compress: (bytes) =>
      response === null || bytes.byteLength < COMPRESS_MIN_BYTES
        ? null
        : response.compress(bytes).then((compressed) => ({ name: response.name, bytes: compressed })),
  };
}
