/** Whatever bytes come: the gRPC server neither breaks nor forgets a stream, and answers the next call. */
import { channel } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { portOf } from '../../support/port-of.ts';
import { ACK, callHeaders, END_HEADERS, END_STREAM, FRAME, http2Frame, PREFACE } from '../../support/server/frames.ts';
import { answerOf, CHECK, check, frame, rawCall, send } from '../../support/server/raw-call.ts';
import { openServer, type TestServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';

const HELLO = Buffer.concat([PREFACE, http2Frame(FRAME.SETTINGS, 0, 0)]);
const PING = http2Frame(FRAME.PING, 0, 0, Buffer.from('are you?'));
const PONG = http2Frame(FRAME.PING, ACK, 0, Buffer.from('are you?'));

let server: TestServer;
/** Streams that the process's HTTP/2 servers, of which this one is the only one, have begun and not ended. */
let open = 0;
const created = (): void => {
  open += 1;
};
const closed = (): void => {
  open -= 1;
};

beforeAll(async () => {
  channel('http2.server.stream.created').subscribe(created);
  channel('http2.server.stream.close').subscribe(closed);
  server = await openServer('grpc');
});
afterAll(async () => {
  // A session or a socket that was forgotten would use up this time.
  await server.stop(120_000);
  channel('http2.server.stream.created').unsubscribe(created);
  channel('http2.server.stream.close').unsubscribe(closed);
});

const isWell = async (): Promise<void> => {
  const { status } = await rawCall(server.url, { pieces: [frame(check('still:here'))] });
  expect(status).toBe('0');
  await until('every stream to end', () => open === 0);
  expect(server.defects).toEqual([]);
};

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

/** The body of a request: frames of gRPC, good and bad. */
const body: fc.Arbitrary<Buffer> = fc
  .array(
    fc.oneof(
      fc.constantFrom('now:1', 'later:1', 'invalid:1', 'overloaded:1', 'big:100000').map((what) => frame(check(what))),
      fc.tuple(bytes(64), fc.constantFrom(0, 1, 2, 255)).map(([message, flag]) => frame(message, flag)),
      fc.constant(frame(gzipSync(check('now:1')), 1)),
      bytes(16),
    ),
    { maxLength: 3 },
  )
  .map((parts) => Buffer.concat(parts));

describe('HTTP/2', () => {
  /** A part of what is sent, given the next stream's id. */
  type Part = (next: number) => Buffer;
  /** Mostly the right one: what is wrong with the connection ends it. */
  const id = fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, fc.constantFrom(0, 1, 2, 3, 7, 2 ** 31 - 1));
  const end = fc.constantFrom(0, END_STREAM);
  const anyFrame = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 255 }), id, bytes(64)).map(
    ([type, flags, own, payload]): Part =>
      (next) =>
        http2Frame(type, flags, own ?? next, payload),
  );
  const headers = fc.tuple(id, fc.constantFrom(CHECK, '/grpc.health.v1.Health/Watch', REFLECTION, '/x'), end).map(
    ([own, path, flag]): Part =>
      (next) =>
        http2Frame(FRAME.HEADERS, END_HEADERS | flag, own ?? next, callHeaders(path)),
  );
  const data = fc.tuple(id, body, end).map(
    ([own, payload, flag]): Part =>
      (next) =>
        http2Frame(FRAME.DATA, flag, own ?? next - 2, payload),
  );
  const callOf =
    (payload: Buffer): Part =>
    (next) =>
      Buffer.concat([
        http2Frame(FRAME.HEADERS, END_HEADERS, next, callHeaders(CHECK)),
        http2Frame(FRAME.DATA, END_STREAM, next, payload),
      ]);
  const reset = id.map(
    (own): Part =>
      (next) =>
        http2Frame(FRAME.RST_STREAM, 0, own ?? next - 2, Buffer.of(0, 0, 0, 8)),
  );
  const parts = fc.array(fc.oneof({ weight: 4, arbitrary: body.map(callOf) }, headers, data, reset, anyFrame), {
    maxLength: 8,
  });
  const write = (sent: readonly Part[]): Buffer =>
    Buffer.concat([HELLO, ...sent.map((part, index) => part(3 + 2 * index))]);
  /** Bytes that are changed here and there, and cut off. */
  const damage = fc.record({
    flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 3 }),
    keep: fc.option(fc.nat()),
  });

  /** Sends, and waits until all of it was read: until the PING at its end is answered, or the connection is closed. */
  const sendAll = async (sent: Buffer, whole: boolean): Promise<void> => {
    const socket = connect(portOf(server.url), '127.0.0.1');
    socket.on('error', () => {});
    const gone = once(socket, 'close');
    let received = Buffer.alloc(0);
    socket.on('data', (piece: Buffer) => {
      received = Buffer.concat([received, piece]);
      if (received.includes(PONG)) socket.destroy();
    });
    if (whole) socket.write(sent);
    else socket.end(sent);
    await gone;
  };

  it('the gRPC server survives valid and invalid frames of HTTP/2', async () => {
    await fc.assert(
      fc.asyncProperty(parts, (sent) => sendAll(Buffer.concat([write(sent), PING]), true)),
      // Shows that calls get as far as a handler this way.
      { numRuns: 300, examples: [[[callOf(frame(check('example:1')))]]] },
    );
    expect(server.asked).toContain('example:1');
    await isWell();
  });

  it('the gRPC server survives damaged and truncated connections of HTTP/2', async () => {
    await fc.assert(
      fc.asyncProperty(parts, damage, async (sent, { flips, keep }) => {
        const whole = write(sent);
        for (const [at, mask] of flips) {
          const index = at % whole.length;
          whole[index] = (whole[index] ?? 0) ^ mask;
        }
        await sendAll(keep === null ? whole : whole.subarray(0, keep % whole.length), false);
      }),
      { numRuns: 300 },
    );
    await isWell();
  });
});

describe('gRPC', () => {
  const request = fc.record({
    body,
    cuts: fc.array(fc.nat(), { maxLength: 3 }),
    cancel: fc.boolean(),
    path: fc.constantFrom(CHECK, CHECK, CHECK, '/grpc.health.v1.Health/Check', REFLECTION, '/x'),
    method: fc.constantFrom('POST', 'POST', 'POST', 'GET', 'HEAD', 'OPTIONS'),
    type: fc.constantFrom('application/grpc', 'application/grpc', 'application/grpc+proto', 'text/plain', ''),
    timeout: fc.constantFrom(undefined, undefined, '1n', '1m', '5S', '99999999H', 'x'),
    encoding: fc.constantFrom(undefined, undefined, 'gzip', 'identity', 'zstd', '__proto__'),
  });

  const ask = async (session: ClientHttp2Session, asked: typeof request extends fc.Arbitrary<infer T> ? T : never) => {
    const stream = session.request(
      {
        ':method': asked.method,
        ':path': asked.path,
        'content-type': asked.type,
        'grpc-timeout': asked.timeout,
        'grpc-encoding': asked.encoding,
      },
      { endStream: false },
    );
    stream.on('error', () => {});
    stream.resume();
    const gone = once(stream, 'close');
    let from = 0;
    for (const at of asked.cuts.map((cut) => cut % (asked.body.length + 1)).sort((a, b) => a - b)) {
      await new Promise<void>((resolve) => stream.write(asked.body.subarray(from, at), () => resolve()));
      from = at;
    }
    if (asked.cancel) stream.close(8);
    else stream.end(asked.body.subarray(from));
    await gone;
  };

  it('the gRPC server survives arbitrary bodies and headers, in pieces, cancelled, and many at once on one connection', async () => {
    const session = connectHttp2(server.url);
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(request, { maxLength: 12 }), async (requests) => {
          await Promise.all(requests.map((each) => ask(session, each)));
          expect((await answerOf(send(session, { pieces: [frame(check('now:1'))] }))).status).toBe('0');
        }),
        { numRuns: 150 },
      );
      await until('every stream to end, the connection being open', () => open === 0);
      expect(session.closed).toBe(false);
    } finally {
      session.close();
    }
    await isWell();
  });
});
