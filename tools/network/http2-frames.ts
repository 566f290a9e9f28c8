/** Frames of HTTP/2 as bytes, right or wrong (RFC 9113), and headers without compression (RFC 7541). */

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;
export const ACK = 1;
/** What a peer takes that has not said otherwise. */
const MAX_FRAME_BYTES = 16_384;
const HEAD_BYTES = 9;

/** A frame of HTTP/2. */
export const http2Frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer => {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
};

/** A string of HPACK as it is: its length with seven bits in the first byte, then the bytes. */
const literal = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  const length: number[] = [Math.min(bytes.length, 127)];
  if (bytes.length >= 127) {
    let rest = bytes.length - 127;
    for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
};

/** Headers that an HPACK table keeps: the first of them is then the reference {@link NEWEST_ENTRY}. */
export const keptHeader = (name: string, value: string): Buffer =>
  Buffer.concat([Buffer.of(0x40), literal(name), literal(value)]);

/** A header by reference to the entry that the table took last: one byte. */
export const NEWEST_ENTRY = 0xbe;

/** A list of headers by HPACK, each as it is: literal, not indexed, not compressed. */
export const headerBlock = (headers: Readonly<Record<string, string>>): Buffer =>
  Buffer.concat(Object.entries(headers).flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]));

/** The headers of a call. */
export const callHeaders = (path: string, more: Readonly<Record<string, string>> = {}): Buffer =>
  headerBlock({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });

/** The headers of a stream, in as many frames as they take. */
export const headerFrames = (stream: number, block: Buffer, flags = 0): Buffer => {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += MAX_FRAME_BYTES) {
    const piece = block.subarray(at, at + MAX_FRAME_BYTES);
    const last = at + MAX_FRAME_BYTES >= block.length ? END_HEADERS : 0;
    frames.push(
      http2Frame(at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION, (at === 0 ? flags : 0) | last, stream, piece),
    );
  }
  return Buffer.concat(frames);
};

/** The data of a stream and its end, in as many frames as they take. */
export const dataFrames = (stream: number, data: Buffer): Buffer => {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < data.length; at += MAX_FRAME_BYTES) {
    const last = at + MAX_FRAME_BYTES >= data.length ? END_STREAM : 0;
    frames.push(http2Frame(FRAME.DATA, last, stream, data.subarray(at, at + MAX_FRAME_BYTES)));
  }
  return Buffer.concat(frames);
};

/** How a server refuses a call for what it asks of it: ENHANCE_YOUR_CALM. */
export const calmDown = (stream: number): Buffer => http2Frame(FRAME.RST_STREAM, 0, stream, Buffer.of(0, 0, 0, 11));

/** What a client writes first: the preface and its settings, and the acknowledgement of the server's. */
export const clientHello = (settings: Uint8Array = Buffer.alloc(0)): Buffer =>
  Buffer.concat([PREFACE, http2Frame(FRAME.SETTINGS, 0, 0, settings), http2Frame(FRAME.SETTINGS, ACK, 0)]);

/** Settings by their numbers (RFC 9113, section 6.5.2). */
export const settings = (values: Readonly<Record<number, number>>): Buffer =>
  Buffer.concat(
    Object.entries(values).map(([id, value]) => {
      const one = Buffer.alloc(6);
      one.writeUInt16BE(Number(id), 0);
      one.writeUInt32BE(value, 2);
      return one;
    }),
  );

/** Calls `onFrame` with each frame of a connection; gets the connection's bytes in pieces. */
export function frameReader(
  onFrame: (type: number, flags: number, stream: number, payload: Buffer) => void,
): (piece: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (piece) => {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    let at = 0;
    while (rest.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + rest.readUIntBE(at, 3);
      if (rest.length < end) break;
      const stream = rest.readUInt32BE(at + 5) & 0x7fffffff;
      onFrame(rest[at + 3] ?? 0, rest[at + 4] ?? 0, stream, rest.subarray(at + HEAD_BYTES, end));
      at = end;
    }
    rest = rest.subarray(at);
  };
}
