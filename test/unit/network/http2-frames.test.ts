/** Frames of HTTP/2 as bytes. */
import { expect, it } from 'vitest';
import {
  callHeaders,
  clientHello,
  dataFrames,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frameReader,
  headerFrames,
  http2Frame,
  PREFACE,
  settings,
} from '../../../tools/network/http2-frames.ts';

type Frame = readonly [type: number, flags: number, stream: number, length: number];

function framesOf(bytes: Buffer, pieceBytes: number): readonly Frame[] {
  const frames: Frame[] = [];
  const read = frameReader((type, flags, stream, payload) => frames.push([type, flags, stream, payload.length]));
  for (let at = 0; at < bytes.length; at += pieceBytes) read(bytes.subarray(at, at + pieceBytes));
  return frames;
}

it.each([1, 7, 9, 1_000])('frames are read from pieces of %i bytes', (pieceBytes) => {
  const bytes = Buffer.concat([
    http2Frame(FRAME.PING, 0, 0, Buffer.alloc(8)),
    http2Frame(FRAME.SETTINGS, 1, 0),
    http2Frame(FRAME.DATA, END_STREAM, 5, Buffer.alloc(300)),
  ]);
  expect(framesOf(bytes, pieceBytes)).toEqual([
    [FRAME.PING, 0, 0, 8],
    [FRAME.SETTINGS, 1, 0, 0],
    [FRAME.DATA, END_STREAM, 5, 300],
  ]);
});

it('the reserved bit of a stream is not read', () => {
  const bytes = http2Frame(FRAME.DATA, 0, 3);
  bytes[5] = 0x80;
  expect(framesOf(bytes, 100)).toEqual([[FRAME.DATA, 0, 3, 0]]);
});

it('data and headers that are larger than a frame are divided, and the last frame ends them', () => {
  expect(framesOf(dataFrames(1, Buffer.alloc(16_384)), 4_096)).toEqual([[FRAME.DATA, END_STREAM, 1, 16_384]]);
  expect(framesOf(dataFrames(1, Buffer.alloc(16_385)), 4_096)).toEqual([
    [FRAME.DATA, 0, 1, 16_384],
    [FRAME.DATA, END_STREAM, 1, 1],
  ]);
  expect(framesOf(headerFrames(3, Buffer.alloc(40_000), END_STREAM), 4_096)).toEqual([
    [FRAME.HEADERS, END_STREAM, 3, 16_384],
    [FRAME.CONTINUATION, 0, 3, 16_384],
    [FRAME.CONTINUATION, END_HEADERS, 3, 7_232],
  ]);
});

it('a client begins with the preface, its settings and the acknowledgement of the settings of the server', () => {
  const hello = clientHello(settings({ 3: 100, 4: 0 }));
  expect(hello.subarray(0, PREFACE.length)).toEqual(PREFACE);
  expect(framesOf(hello.subarray(PREFACE.length), 5)).toEqual([
    [FRAME.SETTINGS, 0, 0, 12],
    [FRAME.SETTINGS, 1, 0, 0],
  ]);
});

it('a header value that is longer than a length of one byte keeps its bytes', () => {
  const block = callHeaders('/x', { 'x-long': 'y'.repeat(300) });
  expect(block.toString('latin1')).toContain(`x-long\u007f\u00ad\u0001${'y'.repeat(300)}`);
});
