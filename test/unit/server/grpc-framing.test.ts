import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameReader, frameOf } from '../../../src/server/grpc/framing.ts';
import { codecOf } from '../../../src/server/grpc/grpc-handler.ts';
import { percentEncode } from '../../../src/server/grpc/status.ts';

const MAX_BYTES = 4 * 1024 * 1024;

const all = (reader: FrameReader): readonly Buffer[] => {
  const messages: Buffer[] = [];
  for (let message = reader.next(); message !== null; message = reader.next()) messages.push(message);
  return messages;
};

describe('gRPC frames', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 });

  it('gRPC frames are read as they were written, in pieces of any size', () => {
    fc.assert(
      fc.property(messages, fc.array(fc.nat({ max: 250 })), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map((message) => frameOf(message)));
        const reader = new FrameReader(MAX_BYTES);
        const received: Buffer[] = [];
        let from = 0;
        for (const at of [...cuts.filter((cut) => cut <= bytes.length).sort((a, b) => a - b), bytes.length]) {
          reader.push(bytes.subarray(from, at));
          received.push(...all(reader));
          from = at;
        }
        expect(received.map((message) => [...message])).toEqual(sent.map((message) => [...message]));
        expect(reader.pending).toBe(false);
      }),
    );
  });

  it('a gRPC frame is read from thousands of pieces', () => {
    const sent = Buffer.from(Array.from({ length: 5_000 }, (_, index) => index % 251));
    const bytes = Buffer.concat([frameOf(sent), frameOf(sent)]);
    const reader = new FrameReader(MAX_BYTES);
    const received: Buffer[] = [];
    for (const byte of bytes.subarray(0, -1_000)) {
      reader.push(Buffer.of(byte));
      received.push(...all(reader));
    }
    reader.push(bytes.subarray(-1_000));
    received.push(...all(reader));
    expect(received).toEqual([sent, sent]);
    expect(reader.pending).toBe(false);
  });

  it('a gRPC frame shows whether its message is compressed', () => {
    const reader = new FrameReader(MAX_BYTES);
    const compressed = frameOf(Buffer.from('one'));
    compressed[0] = 1;
    reader.push(Buffer.concat([compressed, frameOf(Buffer.from('two'))]));
    expect([String(reader.next()), reader.compressed]).toEqual(['one', true]);
    expect([String(reader.next()), reader.compressed]).toEqual(['two', false]);
  });
});

/** All but halves of surrogate pairs. */
const codePoint = fc.oneof(fc.nat({ max: 0xd7ff }), fc.integer({ min: 0xe000, max: 0x10ffff }));

it('percent-encoding is undone by every decoder of URLs, and needs no more than visible ASCII', () => {
  fc.assert(
    fc.property(fc.array(codePoint), (codePoints) => {
      const text = String.fromCodePoint(...codePoints);
      const encoded = percentEncode(text);
      expect(encoded).toMatch(/^[\x21-\x7e]*$/);
      expect(decodeURIComponent(encoded)).toBe(text);
    }),
  );
  // encodeURI throws at half a surrogate pair.
  expect(percentEncode('\ud800')).toBe('%EF%BF%BD');
});

it.each([
  ['application/grpc', 'proto'],
  ['application/grpc+proto', 'proto'],
  ['Application/gRPC; charset=utf-8', 'proto'],
  ['application/grpc+proto ;x', 'proto'],
  ['application/grpc-web', null],
  ['application/grpc-web+proto', null],
  ['application/grpc+json', 'json'],
  ['application/grpcx', null],
  ['text/plain, application/grpc', null],
  [undefined, null],
])('the codec of the content type %s is %s', (type, name) => {
  expect(codecOf(type)?.name ?? null).toBe(name);
});
