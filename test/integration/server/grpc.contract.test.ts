/** gRPC as its clients rely on it, on both addresses. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Client, credentials, Metadata, type ServiceError, status as Status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  AuthService,
  CheckPermissionRequestSchema,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
} from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { BadRequestSchema } from '../../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';
import { answerOf, CHECK, check, frame, rawCall, send, withSession } from '../../support/server/raw-call.ts';
import {
  callersWith,
  GRPC_SERVERS,
  ODD_MESSAGE,
  openServer,
  type TestServer,
} from '../../support/server/test-server.ts';
import { warningsOf } from '../../support/server/warnings.ts';

const MIB = 1024 * 1024;

/** The answer in a body of one frame. */
const messageIn = (body: Buffer): CheckPermissionResponse => {
  expect(body[0]).toBe(0);
  expect(body.readUInt32BE(1)).toBe(body.length - 5);
  return fromBinary(CheckPermissionResponseSchema, body.subarray(5));
};

describe.each(GRPC_SERVERS)('gRPC on the %s address', (name) => {
  let server: TestServer;
  beforeEach(async () => {
    server = await openServer(name);
  });
  afterEach(() => server.stop(100));

  /** The server still answers. */
  const stillAnswers = async (): Promise<void> => {
    const { status, body } = await rawCall(server.url, { pieces: [frame(check('still:here'))] });
    expect([status, messageIn(body).grantedBy]).toEqual(['0', 'still:here']);
  };

  describe('gRPC with real clients', () => {
    const connectClient = (address = server.url) =>
      createClient(AuthService, createGrpcTransport({ baseUrl: address }));

    it.each(['now:1', 'later:1'])('the gRPC server answers connect-node: %s', async (permission) => {
      expect(await connectClient().checkPermission({ permission })).toMatchObject({
        allowed: true,
        grantedBy: permission,
      });
    });

    it('the gRPC server sends errors with details to connect-node', async () => {
      const error = await connectClient()
        .checkPermission({ permission: 'invalid:x' })
        .catch((caught: unknown) => ConnectError.from(caught));
      expect(error).toMatchObject({ code: Code.InvalidArgument, rawMessage: `permission: ${ODD_MESSAGE}` });
      const [details] = (error as ConnectError).findDetails(BadRequestSchema);
      expect(details?.fieldViolations).toMatchObject([{ field: 'permission', description: ODD_MESSAGE }]);
    });

    it('the gRPC server keeps the deadline of connect-node, and goes on', async () => {
      await expect(connectClient().checkPermission({ permission: 'never:x' }, { timeoutMs: 50 })).rejects.toMatchObject(
        { code: Code.DeadlineExceeded },
      );
      await stillAnswers();
    });

    const grpcJsCall = (permission: string, options: object = {}, metadata = new Metadata(), deadline = 10_000) => {
      const client = new Client(server.address, credentials.createInsecure(), options);
      return new Promise<CheckPermissionResponse>((resolve, reject) => {
        client.makeUnaryRequest(
          CHECK,
          (message: string) => Buffer.from(check(message)),
          (bytes: Buffer) => fromBinary(CheckPermissionResponseSchema, bytes),
          permission,
          metadata,
          { deadline: Date.now() + deadline },
          (error, response) => (response === undefined ? reject(error) : resolve(response)),
        );
      }).finally(() => client.close());
    };

    it.each(['now:1', 'later:1'])('the gRPC server answers grpc-js: %s', async (permission) => {
      const metadata = new Metadata();
      metadata.set('some-binary-bin', Buffer.from([0, 255, 1]));
      expect(await grpcJsCall(permission, {}, metadata)).toMatchObject({ allowed: true, grantedBy: permission });
    });

    it('the gRPC server sends errors with details to grpc-js', async () => {
      const error = await grpcJsCall('invalid:x').catch((caught: ServiceError) => caught);
      expect(error).toMatchObject({ code: Status.INVALID_ARGUMENT, details: `permission: ${ODD_MESSAGE}` });
      const [bytes] = (error as ServiceError).metadata.get('grpc-status-details-bin');
      const { code, details } = fromBinary(StatusSchema, bytes as Buffer);
      expect(code).toBe(Status.INVALID_ARGUMENT);
      expect(anyUnpack(details[0] as never, BadRequestSchema)?.fieldViolations).toHaveLength(1);
    });

    it.each([
      ['deflate', 1],
      ['gzip', 2],
    ])('the gRPC server accepts the %s of grpc-js', async (_, algorithm) => {
      const permission = `now:${'x'.repeat(10_000)}`;
      const answer = await grpcJsCall(permission, { 'grpc.default_compression_algorithm': algorithm });
      expect(answer.grantedBy).toBe(permission);
    });

    it('the gRPC server keeps the deadline of grpc-js', async () => {
      await expect(grpcJsCall('never:x', {}, new Metadata(), 50)).rejects.toMatchObject({
        code: Status.DEADLINE_EXCEEDED,
      });
    });

    it('the gRPC server refuses a message of grpc-js that is too large, and accepts the largest one', async () => {
      const overhead =
        toBinary(
          CheckPermissionRequestSchema,
          create(CheckPermissionRequestSchema, { permission: 'size:'.padEnd(3 * MIB) }),
        ).length -
        3 * MIB;
      expect((await grpcJsCall('size:'.padEnd(4 * MIB - overhead))).grantedBy).toBe(String(4 * MIB - overhead));
      await expect(grpcJsCall('size:'.padEnd(4 * MIB))).rejects.toMatchObject({ code: Status.RESOURCE_EXHAUSTED });
    });
  });

  describe('answers of gRPC', () => {
    it('the gRPC server answers with headers, one frame and trailers', async () => {
      const { headers, body, trailers } = await rawCall(server.url, { pieces: [frame(check('now:1'))] });
      expect(headers).toMatchObject({ ':status': 200 });
      expect(headers['content-type']).toMatch(/^application\/grpc/);
      expect(headers).not.toHaveProperty('grpc-status');
      expect(messageIn(body).grantedBy).toBe('now:1');
      expect(trailers).toMatchObject({ 'grpc-status': '0' });
    });

    it('the gRPC server answers errors with trailers only', async () => {
      const { headers, body, trailers } = await rawCall(server.url, { pieces: [frame(check('invalid:x'))] });
      expect(headers).toMatchObject({ ':status': 200, 'grpc-status': '3' });
      expect(headers['content-type']).toMatch(/^application\/grpc/);
      expect(headers['grpc-message']).toMatch(/^[\x20-\x7e]+$/);
      expect(decodeURIComponent(String(headers['grpc-message']))).toBe(`permission: ${ODD_MESSAGE}`);
      expect(body).toHaveLength(0);
      expect(trailers).toBeNull();
    });

    it('the gRPC server answers a rejected promise, and a defect without its text', async () => {
      expect((await rawCall(server.url, { pieces: [frame(check('overloaded:x'))] })).status).toBe('8');
      const { headers } = await rawCall(server.url, { pieces: [frame(check('defect:x'))] });
      expect(headers).toMatchObject({ 'grpc-status': '13' });
      expect(JSON.stringify(headers)).not.toContain('SELECT');
      expect(server.defects).toHaveLength(1);
    });

    it.each(['now', 'later'])(
      'the gRPC server answers INTERNAL when the answer cannot be encoded, %s',
      async (when) => {
        expect((await rawCall(server.url, { pieces: [frame(check(`unencodable:${when}`))] })).status).toBe('13');
        expect(server.defects).toHaveLength(1);
        // By the status that was sent, and not by the intended one.
        expect(server.counted).toEqual([13]);
        await stillAnswers();
      },
    );

    it('the gRPC server answers a traced call with its revision, in success and in error', async () => {
      const traced = { 'assent-trace': '1' };
      const where = {
        'assent-replica': 'replica-1',
        'assent-position': 'epoch:7',
        'assent-position-taken-at': '2026-11-30T08:00:00.000000001Z',
      };
      const good = await rawCall(server.url, { headers: traced, pieces: [frame(check('now:1'))] });
      expect(good.headers).toMatchObject(where);
      expect(good.status).toBe('0');
      const bad = await rawCall(server.url, { headers: traced, pieces: [frame(check('invalid:x'))] });
      expect(bad.headers).toMatchObject(where);
      expect(bad.headers).not.toHaveProperty('grpc-status');
      expect(bad.trailers).toMatchObject({ 'grpc-status': '3' });
      const plain = await rawCall(server.url, { pieces: [frame(check('now:1'))] });
      expect(plain.headers).not.toHaveProperty('assent-replica');
    });

    it('the gRPC server answers as fast as the caller reads, however large the answer is', async () => {
      const bytes = 3 * MIB;
      await withSession(
        server.url,
        async (session) => {
          const stream = send(session, { pieces: [frame(check(`big:${bytes}`))] });
          const whole = answerOf(stream);
          // It does not read at all for a moment; others on the same connection are answered meanwhile, if they are small.
          stream.pause();
          await once(stream, 'response');
          expect((await answerOf(send(session, { pieces: [frame(check('invalid:x'))] }))).status).toBe('3');
          stream.resume();
          const { body, status } = await whole;
          expect(messageIn(body).grantedBy).toHaveLength(bytes);
          expect(status).toBe('0');
        },
        { settings: { initialWindowSize: 1_000 } },
      );
    });

    it('the gRPC server answers a caller that has not read its earlier answers', async () => {
      await withSession(
        server.url,
        async (session) => {
          const pieces = [frame(check('big:20000'))];
          const unread = Array.from({ length: 240 }, () => once(send(session, { pieces }), 'response'));
          await Promise.all(unread);
          expect((await answerOf(send(session, { pieces: [frame(check('invalid:x'))] }))).status).toBe('3');
        },
        { settings: { initialWindowSize: 100 } },
      );
    });

    it('the gRPC server answers as many calls at once on one connection as its announced limit', async () => {
      await withSession(server.url, async (session) => {
        await once(session, 'remoteSettings');
        expect(session.remoteSettings.maxConcurrentStreams).toBe(250);
        const streams = Array.from({ length: 250 }, () => send(session, { pieces: [frame(check('big:80000'))] }));
        const answers = await Promise.all(streams.map(answerOf));
        expect(new Set(answers.map(({ status, body }) => `${status} ${body.length}`)).size).toBe(1);
        expect(answers[0]?.status).toBe('0');
      });
    });
  });

  describe('deadlines of gRPC', () => {
    it.each(['50m', '50000u', '1n', '0S'])('a deadline ends a call during its handler: %s', async (timeout) => {
      const { headers } = await rawCall(server.url, {
        headers: { 'grpc-timeout': timeout },
        pieces: [frame(check('pending:x'))],
      });
      expect(headers).toMatchObject({ 'grpc-status': '4' });
      // What comes afterwards is dropped.
      server.release();
      await stillAnswers();
    });

    it('a deadline ends a call whose request is not complete', async () => {
      const { status } = await rawCall(server.url, {
        headers: { 'grpc-timeout': '50m' },
        pieces: [frame(check('now:1')).subarray(0, 3)],
        open: true,
      });
      expect(status).toBe('4');
      expect(server.asked).toEqual([]);
    });

    it.each(['10S', '1H', '600H', '99999999H', '99999999S'])(
      'a deadline of %s is accepted and does not end the call',
      async (timeout) => {
        const warnings = await warningsOf(async () => {
          const far = rawCall(server.url, {
            headers: { 'grpc-timeout': timeout },
            pieces: [frame(check('pending:far'))],
          });
          const near = await rawCall(server.url, {
            headers: { 'grpc-timeout': '20m' },
            pieces: [frame(check('never:1'))],
          });
          expect(near.status).toBe('4');
          server.release();
          expect((await far).status).toBe('0');
        });
        expect(warnings).toEqual([]);
      },
    );

    it.each(['x', '5', 'mm', '123456789S', '-1S', '1.5S', '5S5', '600 H'])(
      'a deadline that is malformed is refused: "%s"',
      async (timeout) => {
        const { status } = await rawCall(server.url, {
          headers: { 'grpc-timeout': timeout },
          pieces: [frame(check('now:1'))],
        });
        expect(status).toBe('13');
      },
    );
  });

  it('a caller that sends a malformed deadline and no token is not authenticated', async () => {
    const guarded = await openServer(name, { authenticate: callersWith('right') });
    try {
      const headers = { 'grpc-timeout': 'x' };
      const { status } = await rawCall(guarded.url, { headers, pieces: [frame(check('now:1'))] });
      expect([status, guarded.counted]).toEqual(['16', [16]]);
    } finally {
      await guarded.stop(100);
    }
  });

  describe('frames of gRPC', () => {
    it('a frame in pieces of one byte is read', async () => {
      const bytes = frame(check('now:1'));
      await withSession(server.url, async (session) => {
        const stream = send(session, { open: true });
        const answer = answerOf(stream);
        for (const byte of bytes) await new Promise<void>((sent) => stream.write(Buffer.of(byte), () => sent()));
        stream.end();
        expect(messageIn((await answer).body).grantedBy).toBe('now:1');
      });
    });

    it('a frame of an empty message is read', async () => {
      expect((await rawCall(server.url, { pieces: [frame(new Uint8Array())] })).status).toBe('0');
    });

    it.each([
      ['none', [], ['12']],
      ['two', [frame(check('now:1')), frame(check('now:2'))], ['12']],
      ['two in one piece', [Buffer.concat([frame(check('now:1')), frame(check('now:2'))])], ['12']],
      // gRPC leaves open what a request that breaks off is.
      ['a part of one', [frame(check('now:1')).subarray(0, 8)], ['12', '13']],
      ['a part of its prefix', [Buffer.of(0, 0)], ['12', '13']],
    ])('a malformed frame is refused: %s', async (_, pieces, statuses) => {
      expect(statuses).toContain((await rawCall(server.url, { pieces })).status);
      expect(server.asked).toEqual([]);
    });

    it('a frame that announces too large a message is refused before the message comes', async () => {
      const { status } = await rawCall(server.url, { pieces: [Buffer.of(0, 0, 64, 0, 1)], open: true });
      expect(status).toBe('8');
      await stillAnswers();
    });

    it('a frame with a message that cannot be decoded is refused', async () => {
      const { headers } = await rawCall(server.url, { pieces: [frame(Buffer.from([0x0a, 0xff, 0xff]))] });
      expect(headers).toMatchObject({ 'grpc-status': '3' });
      const bytes = Buffer.from(String(headers['grpc-status-details-bin']), 'base64');
      expect(fromBinary(StatusSchema, bytes).code).toBe(3);
    });

    it('a frame with a batch of too many checks is refused before it is decoded', async () => {
      const path = { ':path': '/assent.auth.v1.AuthService/BatchCheckPermissions' };
      // Two bytes each; the last one ends too soon, which only who decodes the message finds.
      const empty = Buffer.alloc(2 * 501).fill(Buffer.of(0x0a, 0));
      const { headers } = await rawCall(server.url, { headers: path, pieces: [frame(Buffer.of(...empty, 0x0a, 5))] });
      expect(headers).toMatchObject({ 'grpc-status': '3' });
      expect(decodeURIComponent(String(headers['grpc-message']))).toMatch(/^checks: must have 1 to 500 checks/);
    });
  });

  describe('compression of gRPC', () => {
    const compressed = (encoding: string | undefined, payload: Uint8Array, flag = 1) =>
      rawCall(server.url, {
        headers: encoding === undefined ? {} : { 'grpc-encoding': encoding },
        pieces: [frame(payload, flag)],
      });

    it('messages that are compressed by gzip and deflate are read', async () => {
      expect((await compressed('gzip', gzipSync(check('now:1')))).status).toBe('0');
      expect((await compressed('deflate', deflateSync(check('now:1')))).status).toBe('0');
      expect((await compressed('gzip', check('now:1'), 0)).status).toBe('0');
    });

    it('a message that does not match its compression is refused', async () => {
      expect((await compressed('gzip', check('now:1'))).status).toBe('13');
      expect((await compressed('gzip', gzipSync(check('now:1')).subarray(0, 12))).status).toBe('13');
    });

    it('a message that is too large after decompression is refused', async () => {
      expect((await compressed('gzip', gzipSync(Buffer.alloc(4 * MIB + 1)))).status).toBe('8');
    });

    it('a message with an unknown compression is refused', async () => {
      const { status, headers } = await compressed('zstd', check('now:1'));
      expect(status).toBe('12');
      expect(headers['grpc-accept-encoding']).toBe('identity,gzip,deflate');
      expect((await compressed('constructor', check('now:1'))).status).toBe('12');
    });

    it('a message with a compression flag and no valid encoding is refused', async () => {
      expect((await compressed(undefined, check('now:1'))).status).toBe('13');
      expect((await compressed('identity', check('now:1'))).status).toBe('13');
      expect((await compressed('gzip', gzipSync(check('now:1')), 2)).status).toBe('13');
    });
  });

  it('the gRPC server counts each call once, however it ended', async () => {
    const late = { 'grpc-timeout': '20m' };
    await rawCall(server.url, { pieces: [frame(check('now:1'))] });
    await rawCall(server.url, { pieces: [frame(check('invalid:1'))] });
    await rawCall(server.url, { pieces: [] });
    await rawCall(server.url, { headers: late, open: true });
    expect(server.counted).toEqual([0, 3, 12, 4]);
    await rawCall(server.url, { headers: late, pieces: [frame(check('pending:1'))] });
    expect(server.counted).toHaveLength(4);
    server.release();
    await stillAnswers();
    expect(server.counted).toEqual([0, 3, 12, 4, 4, 0]);
  });

  describe('requests that are not gRPC', () => {
    it.each(['text/plain', undefined, 'application/grpc-web', 'application/json'])(
      'a request of %s is answered with 415 and the accepted content type',
      async (contentType) => {
        // The HTTP address speaks Connect and gRPC-Web, too.
        if (name === 'http' && contentType !== 'text/plain' && contentType !== undefined) return;
        const { headers, body } = await rawCall(server.url, {
          headers: { 'content-type': contentType },
          pieces: [frame(check('now:1'))],
        });
        expect(headers[':status']).toBe(415);
        expect(headers['accept-post']).toMatch(name === 'http' ? /application\/json/ : /application\/grpc/);
        expect(body.toString()).toMatch(/application\/(?:grpc|json)/);
        await stillAnswers();
      },
    );

    it.each(['application/grpc+proto', 'application/grpc;charset=utf-8'])(
      'a request of %s is a gRPC request',
      async (contentType) => {
        const { status } = await rawCall(server.url, {
          headers: { 'content-type': contentType },
          pieces: [frame(check('now:1'))],
        });
        expect(status).toBe('0');
      },
    );

    it.each(['/', '/x', `${CHECK}x`, '/assent.auth.v1.AuthService/', '/constructor', '/__proto__'])(
      'a request for %s is UNIMPLEMENTED',
      async (path) => {
        const { status } = await rawCall(server.url, { headers: { ':path': path }, pieces: [frame(check('now:1'))] });
        expect(status).toBe('12');
      },
    );

    it.each(['GET', 'PUT', 'HEAD'])('a request by %s is UNIMPLEMENTED', async (method) => {
      const { status } = await rawCall(server.url, { headers: { ':method': method }, pieces: [frame(check('now:1'))] });
      expect(status).toBe('12');
      expect(server.asked).toEqual([]);
      await stillAnswers();
    });
  });

  describe('callers of gRPC', () => {
    it('callers that go away are not answered, and leave nothing behind', async () => {
      await withSession(server.url, async (session) => {
        const stream = send(session, { pieces: [frame(check('pending:1'))] });
        const answer = answerOf(stream);
        while (server.asked.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        stream.close(8);
        await expect(answer).rejects.toThrow();
        server.release();
        expect((await answerOf(send(session, { pieces: [frame(check('now:1'))] }))).status).toBe('0');
      });
      await stillAnswers();
    });

    it('callers whose calls all reach their deadlines keep their connection', async () => {
      await withSession(server.url, async (session) => {
        for (let round = 0; round < 15; round += 1) {
          const calls = Array.from({ length: 100 }, () => send(session, { pieces: [frame(check('never:1'))] }));
          const closed = calls.map((stream) => once(stream, 'close'));
          await new Promise<void>((resolve) => session.ping(() => resolve()));
          for (const stream of calls) stream.close(8);
          await Promise.all(closed);
        }
        expect((await answerOf(send(session, { pieces: [frame(check('now:1'))] }))).status).toBe('0');
      });
    });

    it('callers are authenticated or refused', async () => {
      const token = 'a-caller-token';
      const guarded = await openServer(name, { authenticate: callersWith(token) });
      try {
        const ask = (authorization: string | undefined, path: string = CHECK) =>
          rawCall(guarded.url, { headers: { authorization, ':path': path }, pieces: [frame(check('now:1'))] });
        expect((await ask(undefined)).status).toBe('16');
        expect((await ask('Bearer wrong')).status).toBe('16');
        expect((await ask(`Bearer ${token}`)).status).toBe('0');
        expect(guarded.asked).toEqual(['now:1']);
        const reflection = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
        expect((await ask(undefined, reflection)).status).toBe('16');
        expect(guarded.counted).toEqual([16, 16, 0]);
      } finally {
        await guarded.stop(100);
      }
    });

    it('callers with bytes that no header may hold are refused, and the bytes are not logged', async () => {
      const guarded = await openServer(name, { authenticate: callersWith('right') });
      const outputs = [vi.spyOn(process.stderr, 'write'), vi.spyOn(console, 'error')];
      try {
        for (const path of ['/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', CHECK]) {
          const headers = { ':path': path, authorization: 'Bearer s\u00e9cret' };
          expect((await rawCall(guarded.url, { headers, pieces: [frame(check('now:1'))] })).status).toBe('16');
        }
        const health = { ':path': '/grpc.health.v1.Health/Check', authorization: 'Bearer s\u00e9cret' };
        expect((await rawCall(guarded.url, { headers: health, pieces: [frame(new Uint8Array())] })).status).toBe('0');
        expect(outputs.flatMap((output) => output.mock.calls)).toEqual([]);
      } finally {
        for (const output of outputs) output.mockRestore();
        await guarded.stop(100);
      }
    });

    it.each([CHECK, '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'])(
      'a caller is refused before its message is read: %s',
      async (path) => {
        const guarded = await openServer(name, { authenticate: callersWith('right') });
        try {
          await withSession(guarded.url, async (session) => {
            const whole = frame(check('now:1'));
            const refused = await answerOf(
              send(session, { headers: { ':path': path }, pieces: [whole.subarray(0, 8)], open: true }),
            );
            expect(refused.status).toBe('16');
            expect(Buffer.from(String(refused.headers['grpc-status-details-bin']), 'base64').toString()).toContain(
              'CALLER_UNAUTHENTICATED',
            );
            const { status } = await answerOf(
              send(session, { headers: { authorization: 'Bearer right' }, pieces: [whole] }),
            );
            expect(status).toBe('0');
          });
          expect(guarded.counted).toEqual(path === CHECK ? [16, 0] : [0]);
        } finally {
          await guarded.stop(100);
        }
      },
    );
  });

  it('the gRPC server listens on a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'assent-server-'));
    const path = join(folder, 'socket');
    const local = await openServer(name, { address: { kind: 'unix', path } });
    try {
      expect(local.address).toBe(`unix:${path}`);
      const { status } = await withSession(
        'http://localhost',
        (session) => answerOf(send(session, { pieces: [frame(check('now:1'))] })),
        { createConnection: () => connectSocket(path) },
      );
      expect(status).toBe('0');
    } finally {
      await local.stop(100);
      rmSync(folder, { recursive: true });
    }
  });

  it('the gRPC server reports an address on which it cannot listen', async () => {
    const port = Number(server.address.split(':')[1]);
    await expect(openServer(name, { address: { kind: 'tcp', host: '127.0.0.1', port } })).rejects.toThrow();
  });
});
