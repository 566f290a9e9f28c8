/** gRPC messages on the wire: a compression flag, the length in four bytes, the message. */
import { Code } from '../../rpc/status.ts';
import { RefusedCall, tooLarge } from '../errors.ts';

const PREFIX_BYTES = 5;

/** Loose pieces are joined at this number: each costs some hundred bytes and may bring only one. */
const MAX_LOOSE_PIECES = 512;

/** A frame without compression. */
export function frameOf(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/** Puts messages together from bytes that come in pieces of any size. */
export class FrameReader {
  readonly #maxBytes: number;
  // Nearly always one piece is one message: it is kept as it came.
  #piece: Buffer | null = null;
  #more: Buffer[] | null = null;
  /** How many pieces of `#more` are joined already. */
  #joined = 0;
  #size = 0;
  #compressed = false;

  /** @param maxBytes The largest message on the wire. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the message that {@link next} returned last is compressed. */
  get compressed(): boolean {
    return this.#compressed;
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
   * The next message, once it is complete, as it came.
   * @throws {RefusedCall} when it is too large, as soon as its length is known.
   */
  next(): Buffer | null {
    if (this.#piece === null || this.#size < PREFIX_BYTES) return null;
    if (this.#piece.length < PREFIX_BYTES) this.#join(this.#piece);
    const length = this.#piece.readUInt32BE(1);
    if (length > this.#maxBytes) throw tooLarge(this.#maxBytes);
    const end = PREFIX_BYTES + length;
    if (this.#size < end) return null;
    const bytes = this.#join(this.#piece);
    this.#size -= end;
    this.#piece = this.#size === 0 ? null : bytes.subarray(end);
    const flag = bytes[0];
    if (flag !== 0 && flag !== 1) throw new RefusedCall(Code.INTERNAL, 'A message has an unknown flag.');
    this.#compressed = flag === 1;
    return bytes.subarray(PREFIX_BYTES, end);
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
