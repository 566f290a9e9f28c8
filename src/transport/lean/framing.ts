/** Messages on the wire: a flag of compression, the length in four bytes, the message. */
import { gunzipSync, inflateSync } from 'node:zlib';
import { status as Code } from '@grpc/grpc-js';
import { MAX_MESSAGE_BYTES } from '../door.ts';
import { tooLarge, UNKNOWN_COMPRESSION } from '../refusal-texts.ts';
import { RefusedCall } from './status.ts';

const PREFIX_BYTES = 5;

/** Pieces are joined when so many wait: each costs some hundred bytes, though it may bring no more than one. */
const MAX_LOOSE_PIECES = 512;

/** An uncompressed frame. */
export const frameOf = (message: Uint8Array): Buffer => {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
};

const DECOMPRESS = { gzip: gunzipSync, deflate: inflateSync } as const;
const ACCEPTED = ['identity', ...Object.keys(DECOMPRESS)].join();

const isKnown = (encoding: string): encoding is keyof typeof DECOMPRESS => Object.hasOwn(DECOMPRESS, encoding);

const decompress = (payload: Buffer, encoding: string, maxBytes: number): Buffer => {
  if (encoding === 'identity') {
    throw new RefusedCall(Code.INTERNAL, 'A message is marked as compressed, and grpc-encoding names no compression.');
  }
  if (!isKnown(encoding)) {
    throw new RefusedCall(Code.UNIMPLEMENTED, UNKNOWN_COMPRESSION, {
      'grpc-accept-encoding': ACCEPTED,
    });
  }
  try {
    return DECOMPRESS[encoding](payload, { maxOutputLength: maxBytes });
  } catch (error) {
    if (error instanceof RangeError) throw refuseSize(maxBytes);
    throw new RefusedCall(Code.INTERNAL, 'A compressed message could not be decompressed.');
  }
};

const refuseSize = (maxBytes: number): RefusedCall => new RefusedCall(Code.RESOURCE_EXHAUSTED, tooLarge(maxBytes));

/** Puts messages together from bytes that come in pieces of any size. */
export class FrameReader {
  readonly #encoding: string;
  readonly #maxBytes: number;
  // Nearly always one piece is one message: it is kept as it came.
  #piece: Buffer | null = null;
  #more: Buffer[] | null = null;
  /** How many of them are joined already. */
  #joined = 0;
  #size = 0;

  /**
   * @param encoding The request's `grpc-encoding`.
   * @param maxBytes The largest message, also when it is decompressed.
   */
  constructor(encoding: string | undefined, maxBytes = MAX_MESSAGE_BYTES) {
    this.#encoding = encoding ?? 'identity';
    this.#maxBytes = maxBytes;
  }

  /** Whether bytes are left that {@link next} has not returned. */
  get pending(): boolean {
    return this.#size > 0;
  }

  push(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#piece === null) this.#piece = piece;
    else if (this.#more === null) this.#more = [piece];
    else if (this.#more.push(piece) - this.#joined >= MAX_LOOSE_PIECES) {
      this.#joined = this.#more.push(Buffer.concat(this.#more.splice(this.#joined)));
    }
  }

  /**
   * The next message, once it is there as a whole.
   * @throws {RefusedCall} when it is too large, as soon as its length is known, or cannot be decompressed.
   */
  next(): Buffer | null {
    if (this.#piece === null || this.#size < PREFIX_BYTES) return null;
    if (this.#piece.length < PREFIX_BYTES) this.#join(this.#piece);
    const length = this.#piece.readUInt32BE(1);
    if (length > this.#maxBytes) throw refuseSize(this.#maxBytes);
    const end = PREFIX_BYTES + length;
    if (this.#size < end) return null;
    const bytes = this.#join(this.#piece);
    this.#size -= end;
    this.#piece = this.#size === 0 ? null : bytes.subarray(end);
    const flag = bytes[0];
    if (flag !== 0 && flag !== 1) throw new RefusedCall(Code.INTERNAL, 'A message has an unknown flag.');
    const payload = bytes.subarray(PREFIX_BYTES, end);
    return flag === 0 ? payload : decompress(payload, this.#encoding, this.#maxBytes);
  }

  #join(piece: Buffer): Buffer {
    if (this.#more === null) return piece;
    const joined = Buffer.concat([piece, ...this.#more]);
    this.#piece = joined;
    this.#more = null;
    this.#joined = 0;
    return joined;
  }
}
