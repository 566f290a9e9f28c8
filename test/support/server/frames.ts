/** HTTP/2 on bare sockets: frames as they are written, right or wrong. */
import { connect, type Socket } from 'node:net';

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

/** A frame of HTTP/2. */
export const http2Frame = (
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer => {
  const head = Buffer.alloc(9);
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

/** How a server refuses a call for what it asks of it: ENHANCE_YOUR_CALM. */
export const calmDown = (stream: number): Buffer => http2Frame(FRAME.RST_STREAM, 0, stream, Buffer.of(0, 0, 0, 11));

/** A connection that has said hello and takes part in nothing but what is written to it. */
export const openSocket = async (
  port: number,
  hello: Uint8Array = Buffer.concat([PREFACE, http2Frame(FRAME.SETTINGS, 0, 0), http2Frame(FRAME.SETTINGS, ACK, 0)]),
): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  // Whatever it says: it is closed, and that is looked at.
  socket.on('error', () => {});
  socket.write(hello);
  return socket;
};
