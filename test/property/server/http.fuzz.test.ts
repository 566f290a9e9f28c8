/**
 * Whatever bytes come, by either version of HTTP, and whenever a caller leaves: the HTTP server answers the next call. What it
 * throws an uncaught error would end the process, and here ends the run of the tests.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { END_HEADERS, END_STREAM, FRAME, headerBlock, http2Frame, PREFACE } from '../../support/server/frames.ts';
import { CHECK, check, frame } from '../../support/server/raw-call.ts';
import { openServer, type TestServer } from '../../support/server/test-server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await openServer('http', {
    metrics: () =>
      new Promise((resolve) => setImmediate(resolve, { text: 'x'.repeat(30_000), contentType: 'text/plain' })),
  });
});
// A session or a socket that was forgotten would use up this time.
afterAll(() => server.stop(120_000));

const bytes = (maxLength: number): fc.Arbitrary<Buffer> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

const method = fc.constantFrom('POST', 'POST', 'POST', 'GET', 'HEAD', 'PUT', 'OPTIONS', 'CONNECT', 'TRACE');
const path = fc.constantFrom(
  CHECK,
  CHECK,
  CHECK,
  `${CHECK}?connect=v1&encoding=json&message=%7B%7D`,
  `${CHECK}?%`,
  '/livez',
  '/metrics',
  '/x',
  '//',
);
const type = fc.constantFrom(
  'application/proto',
  'application/json',
  'application/grpc',
  'application/grpc-web+proto',
  'text/plain',
  '',
);
const more = fc
  .subarray(
    [
      ['content-encoding', 'gzip'],
      ['grpc-encoding', 'br'],
      ['grpc-timeout', '1m'],
      ['connect-timeout-ms', '1'],
      ['content-length', '5'],
      ['expect', '100-continue'],
      ['host', '['],
      ['te', 'trailers'],
    ] as const,
    { maxLength: 3 },
  )
  .map((pairs): Readonly<Record<string, string>> => Object.fromEntries(pairs));
const body = fc.oneof(
  fc.constantFrom(
    Buffer.from('{"permission":"later:1"}'),
    Buffer.from('{"permission":'),
    Buffer.from(check('now:1')),
    frame(check('later:1')),
    Buffer.alloc(0),
    Buffer.alloc(40_000, 32),
  ),
  bytes(64),
);
const request = fc.record({ method, path, type, more, body, isWhole: fc.boolean(), isReset: fc.boolean() });
interface Request {
  readonly method: string;
  readonly path: string;
  readonly type: string;
  readonly more: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly isWhole: boolean;
  readonly isReset: boolean;
}

const byHttp1 = (requests: readonly Request[]): Buffer =>
  Buffer.concat(
    requests.flatMap((one) => {
      const length = one.isReset ? { 'transfer-encoding': 'chunked' } : { 'content-length': String(one.body.length) };
      const headers = { host: 'x', 'content-type': one.type, ...length, ...one.more };
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      return [Buffer.from(`${one.method} ${one.path} HTTP/1.1\r\n${lines.join('')}\r\n`), one.body];
    }),
  );

const MAX_FRAME_BYTES = 16_384;
const byHttp2 = (requests: readonly Request[]): Buffer =>
  Buffer.concat([
    PREFACE,
    http2Frame(FRAME.SETTINGS, 0, 0),
    ...requests.flatMap((one, index) => {
      const id = 1 + 2 * index;
      const target = one.method === 'CONNECT' ? {} : { ':scheme': 'http', ':path': one.path };
      const pseudo = { ':method': one.method, ...target, ':authority': 'x' };
      const data = one.body.subarray(0, MAX_FRAME_BYTES);
      return [
        http2Frame(FRAME.HEADERS, END_HEADERS, id, headerBlock({ ...pseudo, 'content-type': one.type, ...one.more })),
        http2Frame(FRAME.DATA, one.isWhole ? END_STREAM : 0, id, data),
        ...(one.isReset ? [http2Frame(FRAME.RST_STREAM, 0, id, Buffer.of(0, 0, 0, 8))] : []),
      ];
    }),
  ]);

const damage = fc.record({
  flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 1 }),
  keep: fc.option(fc.nat()),
  leaves: fc.boolean(),
});

/** One that nothing is wrong with, so that no run is of refusals only. */
const WHOLE: Request = {
  method: 'POST',
  path: CHECK,
  type: 'application/json',
  more: {},
  body: Buffer.from('{"permission":"later:1"}'),
  isWhole: true,
  isReset: false,
};

it.each([
  ['HTTP/1.1', byHttp1],
  ['HTTP/2', byHttp2],
])('the HTTP server survives arbitrary requests: %s', async (_version, encode) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { minLength: 1, maxLength: 5 }).map(encode),
      damage,
      async (whole, { flips, keep, leaves }) => {
        const text = Buffer.from(whole);
        for (const [at, mask] of flips) text[at % text.length] = (text[at % text.length] ?? 0) ^ mask;
        const socket = connect(server.port, '127.0.0.1').resume();
        const gone = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
        await Promise.race([once(socket, 'connect'), gone]);
        socket.write(keep === null ? text : text.subarray(0, keep % text.length));
        // In the middle of whatever it is about, or when all of it was sent.
        if (leaves) setImmediate(() => socket.destroy());
        else socket.end();
        await gone;
      },
    ),
    { numRuns: 1_000, examples: [[encode([WHOLE]), { flips: [], keep: null, leaves: false }]] },
  );
  expect(server.asked).toContain('later:1');
  expect(server.defects).toEqual([]);
  expect((await fetch(`http://127.0.0.1:${server.port}/livez`)).status).toBe(200);
});
