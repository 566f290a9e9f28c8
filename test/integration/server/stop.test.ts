/** The stop of a server: requests that are on their way are answered, and no peer holds it up. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { ACK, callHeaders, END_STREAM, FRAME, headerFrames, http2Frame, PREFACE } from '../../support/server/frames.ts';
import { CHECK, check, frame } from '../../support/server/raw-call.ts';
import { GRPC_SERVERS, openServer, type TestServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

/** Far beyond the limit of a test: the stop ends by itself. */
const LONG_MS = 120_000;
const GET = 'GET /livez HTTP/1.1\r\nhost: server\r\n\r\n';
const LAST = /^HTTP\/1\.1 200 .*\r\nconnection: close\r\n/is;

let server: TestServer;
beforeEach(async () => {
  server = await openServer('http');
  onTestFinished(() => server.stop(0));
});

const open = (port = server.port): Socket => {
  const socket = connect(port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  return socket;
};
/** An open connection that has been answered once. */
const openIdle = async (): Promise<Socket> => {
  const socket = open();
  socket.write(GET);
  await once(socket, 'data');
  return socket;
};

it('from the beginning of a stop each answer of HTTP/1.1 ends its connection, and new connections are taken', async () => {
  const idle = await openIdle();
  server.drain();
  idle.write(GET);
  expect(await text(idle)).toMatch(LAST);
  const later = open();
  later.write(GET);
  expect(await text(later)).toMatch(LAST);
});

it('a request on an idle connection that is on its way at the end of a stop is answered', async () => {
  const idle = await openIdle();
  const stopped = server.stop(LONG_MS);
  await until('nothing listens', () =>
    once(open(), 'connect').then(
      () => false,
      () => true,
    ),
  );
  idle.write(GET);
  expect(await text(idle)).toMatch(LAST);
  await stopped;
});

it('connections that wait in the queue of the system at the end of a stop are answered', async () => {
  const sockets = Array.from({ length: 20 }, () => open());
  const answers = sockets.map((socket) => {
    socket.write(GET);
    return text(socket);
  });
  await once(sockets[0] as Socket, 'connect');
  await server.stop(LONG_MS);
  for (const answer of await Promise.all(answers)) expect(answer).toMatch(LAST);
});

it('a TLS handshake that is under way at the end of a stop ends with an answer', async () => {
  const authority = createAuthority('authority');
  const secure = await openServer('http', { tls: { ...authority.issue('server'), clientCa: null } });
  const raw = open(secure.port);
  await once(raw, 'connect');
  await until('the server has the connection', async () => {
    // The handshake of a later connection ends, so the server has the earlier one, too.
    const later = connectTls({ port: secure.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(later, 'secureConnect');
    later.destroy();
    return true;
  });
  const stopped = secure.stop(LONG_MS);
  const socket = connectTls({ socket: raw, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  socket.write(GET);
  expect(await text(socket)).toMatch(LAST);
  await stopped;
});

it.each(GRPC_SERVERS)(
  'a peer of HTTP/2 that never ends its side does not hold up a stop of the %s server',
  async (name) => {
    const target = await openServer(name);
    const socket = speak(target.port);
    const received = collect(socket);
    await until('the connection is answered', () => received().length > 0);
    const ended = once(socket, 'end');
    const stopped = target.stop(LONG_MS);
    await ended;
    expect(received()).toContainEqual(expect.objectContaining({ type: FRAME.GOAWAY }));
    await stopped;
  },
);

it.each(GRPC_SERVERS)(
  'calls that the %s server receives after its GOAWAY are left to another connection',
  async (name) => {
    const target = await openServer(name);
    const socket = speak(target.port);
    const received = collect(socket);
    const call = (stream: number): Buffer =>
      Buffer.concat([
        headerFrames(stream, callHeaders(CHECK)),
        http2Frame(FRAME.DATA, END_STREAM, stream, frame(check('pending'))),
      ]);
    socket.write(call(1));
    await until('the call is under way', () => target.asked.length === 1);
    const stopped = target.stop(LONG_MS);
    await until('GOAWAY', () => received().some(({ type }) => type === FRAME.GOAWAY));
    socket.write(call(3));
    socket.write(http2Frame(FRAME.PING, 0, 0, Buffer.from('are you?')));
    await until('the PING is answered', () => received().some(({ type, flags }) => type === FRAME.PING && flags === 1));
    target.release();
    await stopped;
    const [goaway] = received().filter(({ type }) => type === FRAME.GOAWAY);
    expect(goaway?.payload.readUInt32BE(0)).toBe(1);
    expect(
      received()
        .filter(({ type }) => type === FRAME.HEADERS)
        .map(({ stream }) => stream),
    ).toEqual([1, 1]);
    expect(target.asked).toHaveLength(1);
  },
);

it.each(GRPC_SERVERS)(
  'a watch of health that a caller begins again at once does not hold up a stop of the %s server',
  async (name) => {
    const target = await openServer(name);
    const socket = speak(target.port);
    const received = collect(socket);
    const watch = (stream: number): Buffer =>
      Buffer.concat([
        headerFrames(stream, callHeaders('/grpc.health.v1.Health/Watch')),
        http2Frame(FRAME.DATA, END_STREAM, stream, frame(Buffer.alloc(0))),
      ]);
    socket.write(watch(1));
    await until('the health', () => received().some(({ type }) => type === FRAME.DATA));
    const stopped = target.stop(LONG_MS);
    let next = 3;
    const again = setInterval(() => {
      socket.write(watch(next));
      next += 2;
    }, 1);
    onTestFinished(() => clearInterval(again));
    await stopped;
  },
);

/** A connection of HTTP/2 that leaves its side open when the server has ended its own. */
function speak(port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.write(Buffer.concat([PREFACE, http2Frame(FRAME.SETTINGS, 0, 0), http2Frame(FRAME.SETTINGS, ACK, 0)]));
  return socket;
}

interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The frames that a socket has received so far. */
function collect(socket: Socket): () => readonly Frame[] {
  let bytes = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (piece: Buffer) => {
    bytes = Buffer.concat([bytes, piece]);
  });
  return () => {
    const frames: Frame[] = [];
    for (let at = 0; at + 9 <= bytes.length; ) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5);
      frames.push({ type, flags, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) });
      at = end;
    }
    return frames;
  };
}
