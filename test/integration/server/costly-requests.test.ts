/** Requests that cost the service much more than their caller, with another caller beside them. */
import { once } from 'node:events';
import { connect as connectSession, constants } from 'node:http2';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import { CheckPermissionResponseSchema } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import {
  ServerReflection,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  ServerReflectionResponseSchema,
} from '../../../gen/grpc/reflection/v1/reflection_pb.ts';
import { API_RULES, type Method, methodsOf, type Responses } from '../../../src/server/methods.ts';
import {
  answerOf,
  CHECK,
  check,
  frame,
  type RawRequest,
  rawCall,
  send,
  withSession,
} from '../../support/server/raw-call.ts';
import { openServer, type TestServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

const BOMBS = 50;
/** What 4 KB of gzip stand for. */
const LARGE = 4_000_000;

let server: TestServer;
afterEach(() => server.stop(100));

/** How many calls of a crowd on one connection are answered when a call beside them is, which began after the first of them. */
const answeredBefore = (crowd: RawRequest, beside: () => Promise<void>): Promise<number> =>
  withSession(server.url, async (session) => {
    let answered = 0;
    const first = Promise.withResolvers<void>();
    const calls = Array.from({ length: BOMBS }, async () => {
      await answerOf(send(session, crowd));
      answered += 1;
      first.resolve();
    });
    await first.promise;
    await beside();
    const before = answered;
    await Promise.all(calls);
    return before;
  });

const sizeIn = (body: Buffer): string => fromBinary(CheckPermissionResponseSchema, body.subarray(5)).grantedBy;
const grpcBomb = (permission = 'size:'.padEnd(LARGE)): RawRequest => ({
  headers: { 'grpc-encoding': 'gzip' },
  pieces: [frame(gzipSync(check(permission)), 1)],
});

describe('a message that grows when it is decompressed', () => {
  it.each(['grpc', 'http'] as const)(
    'a caller with one is answered before the crowd of another connection, on the %s address',
    async (name) => {
      server = await openServer(name);
      const before = await answeredBefore(grpcBomb(), async () => {
        const { body } = await rawCall(server.url, grpcBomb());
        expect(sizeIn(body)).toBe(String(LARGE));
      });
      expect(before).toBeLessThan(BOMBS - 5);
      expect(server.requests).toHaveLength(BOMBS + 1);
    },
  );

  const json = gzipSync(JSON.stringify({ permission: 'size:'.padEnd(LARGE) }));
  const post = {
    method: 'POST',
    body: json,
    headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
  };
  const query = `?connect=v1&encoding=json&base64=1&compression=gzip&message=${json.toString('base64url')}`;
  it.each([
    ['POST by HTTP/1.1', post, ''],
    ['GET by HTTP/1.1', { method: 'GET' }, query],
  ])('a caller with one in JSON is answered before the crowd of another connection: %s', async (_, request, search) => {
    server = await openServer('http');
    const before = await answeredBefore(grpcBomb(), async () => {
      const answer = await fetch(`${server.url}${CHECK}${search}`, request);
      expect(await answer.json()).toMatchObject({ grantedBy: String(LARGE) });
    });
    expect(before).toBeLessThan(BOMBS - 5);
  });

  it('a crowd in JSON on one connection of HTTP/2 is one caller', async () => {
    server = await openServer('http');
    const crowd = { headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' }, pieces: [json] };
    const before = await answeredBefore(crowd, async () => {
      const { body } = await rawCall(server.url, grpcBomb());
      expect(sizeIn(body)).toBe(String(LARGE));
    });
    expect(before).toBeLessThan(BOMBS - 5);
  });

  it('calls whose caller leaves before their message is decompressed are answered nothing, and the next one is', async () => {
    server = await openServer('grpc');
    const session = connectSession(server.url);
    session.on('error', () => {});
    const first = answerOf(send(session, grpcBomb()));
    for (let index = 1; index < BOMBS; index += 1) send(session, grpcBomb('never:x'.padEnd(LARGE)));
    await first;
    session.destroy();
    const { body } = await rawCall(server.url, grpcBomb());
    expect(sizeIn(body)).toBe(String(LARGE));
    expect(server.requests.length).toBeLessThan(BOMBS);
  });

  it('an open request keeps its message as it came', async () => {
    server = await openServer('grpc');
    await withSession(server.url, async (session) => {
      const stream = send(session, { ...grpcBomb(), open: true });
      const { body } = await rawCall(server.url, { pieces: [frame(check('now:1'))] });
      expect(sizeIn(body)).toBe('now:1');
      expect(server.asked).toEqual(['now:1']);
      stream.end();
      expect(sizeIn((await answerOf(stream)).body)).toBe(String(LARGE));
    });
  });
});

describe('a stream of requests', () => {
  /** Answers each request with the length of its host. */
  const serverReflectionInfo =
    (responses: Responses) =>
    ({ host }: ServerReflectionRequest): void =>
      responses.send(create(ServerReflectionResponseSchema, { validHost: String(host.length) }));
  const methods: readonly Method[] = methodsOf(ServerReflection, { serverReflectionInfo }, API_RULES).map((method) => ({
    ...method,
    path: '/test.Lengths/Of',
  }));
  const request = (length: number): Uint8Array =>
    toBinary(ServerReflectionRequestSchema, create(ServerReflectionRequestSchema, { host: 'x'.repeat(length) }));
  const lengthsIn = (body: Buffer): readonly string[] => {
    const lengths: string[] = [];
    for (let at = 0; at < body.length; at += 5 + body.readUInt32BE(at + 1)) {
      const message = body.subarray(at + 5, at + 5 + body.readUInt32BE(at + 1));
      lengths.push(fromBinary(ServerReflectionResponseSchema, message).validHost);
    }
    return lengths;
  };

  it('requests are answered in their order, though a thread decompresses some of them', async () => {
    server = await openServer('grpc', { methods });
    const lengths = [1, LARGE, 2, LARGE - 1, 3, 4];
    const pieces = lengths.map((length) =>
      length < LARGE - 1 && length % 2 === 0 ? frame(request(length)) : frame(gzipSync(request(length)), 1),
    );
    const headers = { ':path': '/test.Lengths/Of', 'grpc-encoding': 'gzip' };
    const { status, body } = await rawCall(server.url, { headers, pieces: [Buffer.concat(pieces)] });
    expect([status, lengthsIn(body)]).toEqual(['0', lengths.map(String)]);
  });

  it('a request that cannot be decompressed ends the stream after the answers before it', async () => {
    server = await openServer('grpc', { methods });
    const broken = frame(gzipSync(request(LARGE)).subarray(0, -4), 1);
    const headers = { ':path': '/test.Lengths/Of', 'grpc-encoding': 'gzip' };
    const pieces = [frame(request(1)), broken, frame(request(2))];
    const { status, body } = await rawCall(server.url, { headers, pieces });
    expect([status, lengthsIn(body)]).toEqual(['13', ['1']]);
    expect(server.counted).toHaveLength(1);
  });

  it('a stream whose caller reads nothing ends at its deadline, and is counted once', async () => {
    server = await openServer('grpc', { methods });
    const headers = { ':path': '/test.Lengths/Of', 'grpc-timeout': '100m' };
    await withSession(
      server.url,
      async (session) => {
        const stream = send(session, { headers, pieces: [frame(request(1))], open: true });
        await once(stream, 'close');
        expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
      },
      { settings: { initialWindowSize: 0 } },
    );
    expect(server.counted).toEqual([4]);
  });
});

describe('an answer whose caller reads nothing', () => {
  const json = { 'content-type': 'application/json' };
  it.each([
    ['gRPC', { 'grpc-timeout': '100m' }, frame(check('big:100'))],
    ['JSON', { ...json, 'connect-timeout-ms': '100' }, Buffer.from('{"permission":"big:100"}')],
  ])('an answer that waits for the window ends at the deadline of its call: %s', async (_, headers, message) => {
    server = await openServer('http');
    await withSession(
      server.url,
      async (session) => {
        const stream = send(session, { headers, pieces: [message] });
        await once(stream, 'close');
        expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
      },
      { settings: { initialWindowSize: 0 } },
    );
    expect(server.counted).toEqual([0]);
  });

  it('an error that the deadline has passed does not wait for the window for ever', async () => {
    server = await openServer('http');
    const headers = { ...json, 'connect-timeout-ms': '50' };
    await withSession(
      server.url,
      async (session) => {
        const stream = send(session, { headers, pieces: [Buffer.from('{"permission":"never:x"}')] });
        await once(stream, 'close');
        expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
      },
      { settings: { initialWindowSize: 0 } },
    );
  });

  it('an answer by HTTP/1.1 that waits for its caller ends at the deadline of its call', async () => {
    server = await openServer('http');
    const size = 30_000_000;
    const body = JSON.stringify({ permission: `big:${size}` });
    const head = [`POST ${CHECK} HTTP/1.1`, 'host: x', 'content-type: application/json', 'connect-timeout-ms: 300'];
    const socket = connect(server.port, '127.0.0.1');
    socket.pause();
    socket.write(`${head.join('\r\n')}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await until('the answer', () => server.counted.length > 0);
    // Its deadline passes after that of the answer.
    const later = {
      method: 'POST',
      headers: { ...json, 'connect-timeout-ms': '400' },
      body: '{"permission":"never:x"}',
    };
    expect((await fetch(`${server.url}${CHECK}`, later)).status).toBe(504);
    let received = 0;
    socket.on('data', (piece) => {
      received += piece.length;
    });
    socket.on('error', () => {});
    const closed = new Promise((resolve) => {
      socket.once('close', resolve);
    });
    socket.resume();
    await closed;
    expect(received).toBeLessThan(size);
    expect(server.counted).toEqual([0]);
  });
});
