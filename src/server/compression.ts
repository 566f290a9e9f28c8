/**
 * Decompresses the messages of every protocol, and compresses answers. A message that is not small is left to the threads of
 * Node's pool: 4 KB of gzip may stand for 4 MB, which take 4 ms. The connections take turns there.
 */
import { promisify } from 'node:util';
import {
  brotliCompress,
  brotliDecompress,
  brotliDecompressSync,
  constants,
  gunzip,
  gunzipSync,
  gzip,
  inflate,
  inflateSync,
} from 'node:zlib';
import { createFairQueue } from '../fair-queue.ts';
import { Code } from '../rpc/status.ts';
import { RefusedCall, tooLarge } from './errors.ts';

/** The name of a compression, as headers write it. */
export type Compression = keyof typeof DECOMPRESS;

/** A call that waits for its message. */
export interface WaitingCall {
  /** The connection of the call. */
  readonly connection: object;
  /** Calls `listener` once nothing waits for the message any more. */
  onGone(listener: () => void): void;
}

/**
 * Decompresses a message: at once where it is small.
 * @param maxBytes The size beyond which the message is refused. No more than that is decompressed.
 * @throws {RefusedCall} when the message is too large or damaged, or rejects with it. The promise stays pending for a call
 *   that is gone.
 */
export function decompress(
  payload: Uint8Array,
  compression: Compression,
  maxBytes: number,
  call: WaitingCall,
): Buffer | Promise<Buffer> {
  if (payload.length <= SMALL_BYTES) {
    // guard: growth-at-once
    const bound = Math.min(maxBytes, SMALL_RESULT_BYTES);
    try {
      return DECOMPRESS[compression].atOnce(payload, { maxOutputLength: bound });
    } catch (error) {
      if (!(error instanceof RangeError) || bound === maxBytes) throw refusalOf(error, maxBytes);
    }
  }
  const { later } = DECOMPRESS[compression];
  const options = { maxOutputLength: maxBytes, chunkSize: Math.min(maxBytes, MAX_CHUNK_BYTES) };
  const task = queue.run(call.connection, () => later(payload, options));
  call.onGone(task.leave);
  return task.done.catch((error: unknown) => {
    throw refusalOf(error, maxBytes);
  });
}

/** Compresses an answer on a thread of the pool. */
export function compress(bytes: Uint8Array, compression: 'gzip' | 'br'): Promise<Uint8Array> {
  if (compression === 'gzip') return promisify(gzip)(bytes);
  // Node's own quality is 11, which takes 50 times as long for a tenth of the size.
  const params = { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return promisify(brotliCompress)(bytes, { params });
}

const DECOMPRESS = {
  gzip: { atOnce: gunzipSync, later: promisify(gunzip) },
  deflate: { atOnce: inflateSync, later: promisify(inflate) },
  br: { atOnce: brotliDecompressSync, later: promisify(brotliDecompress) },
} as const;

/**
 * Of a message that is decompressed at once, and of its result: at most 0.1 ms. A thread costs the event loop 0.2 ms, however
 * small the message is. A small message that grows beyond the bound has cost 0.03 ms when that shows.
 */
const SMALL_BYTES = 4_096;
const SMALL_RESULT_BYTES = 16_384;

/** The bytes that a thread decompresses in one go. With Node's own 16 KiB, 4 MB cost the event loop 10 ms instead of 2. */
const MAX_CHUNK_BYTES = 1_048_576;

/**
 * Threads that decompress at once: half of the pool. The other half resolves names and verifies signatures. A connection has
 * one of them.
 */
const queue = createFairQueue(2, 1);

function refusalOf(error: unknown, maxBytes: number): RefusedCall {
  if (error instanceof RangeError) return tooLarge(maxBytes);
  return new RefusedCall(Code.INTERNAL, 'A compressed message could not be decompressed.');
}
