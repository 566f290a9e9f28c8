/** Connections on which no call has authenticated: their bounds, by real frames, on both addresses. */
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { STRANGER_LIMITS } from '../../../src/server/stranger-bounds.ts';
import {
  callHeaders,
  END_HEADERS,
  END_STREAM,
  FRAME,
  headerBlock,
  headerFrames,
  http2Frame,
  openSocket,
} from '../../support/server/frames.ts';
import { parsedRequests } from '../../support/server/parsed-requests.ts';
import { answerOf, CHECK, check, frame, type RawAnswer, send, withSession } from '../../support/server/raw-call.ts';
import { takenInOneTurn } from '../../support/server/taken-in-one-turn.ts';
import { callersWith, GRPC_SERVERS, openServer, type TestServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

const HEALTH_CHECK = '/grpc.health.v1.Health/Check';
const HEALTH_WATCH = '/grpc.health.v1.Health/Watch';
const KNOWN = { authorization: 'Bearer token' };
/** More than a stranger may do at once. */
const MANY = 2 * STRANGER_LIMITS.requests.size;

const call = (session: ClientHttp2Session, headers: object = {}, message: Uint8Array = check('now:1')) =>
  answerOf(send(session, { headers: { ...headers }, pieces: [frame(message)] }));

const health = (session: ClientHttp2Session, headers: object = {}): Promise<RawAnswer> =>
  call(session, { ':path': HEALTH_CHECK, ...headers }, new Uint8Array());

const reset = (stream: number): Buffer => http2Frame(FRAME.RST_STREAM, 0, stream, Buffer.of(0, 0, 0, 8));
const message = (stream: number, of: Uint8Array): Buffer => http2Frame(FRAME.DATA, END_STREAM, stream, frame(of));
const headers = (stream: number, path: string): Buffer =>
  http2Frame(FRAME.HEADERS, END_HEADERS, stream, callHeaders(path));

/** Writes the same to one stream after the other, all at once. */
const inStreams = (count: number, of: (stream: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => of(2 * index + 1)));

const raw = async (server: TestServer): Promise<Socket> => {
  const socket = (await openSocket(server.port)).resume();
  onTestFinished(() => void socket.destroy());
  return socket;
};

describe.each(GRPC_SERVERS)('a stranger on the %s address', (name) => {
  let server: TestServer;
  const open = async (limits: Partial<typeof STRANGER_LIMITS> = {}): Promise<TestServer> => {
    await server?.stop(100);
    server = await openServer(name, {
      authenticate: callersWith('token'),
      connectionLimits: { strangerLimits: { ...STRANGER_LIMITS, ...limits } },
    });
    return server;
  };
  beforeEach(async () => {
    await open();
  });
  afterEach(() => server.stop(100));

  it('a connection that is only ever refused is ended, after its caller has seen the status', async () => {
    await withSession(server.url, async (session) => {
      const goaway = once(session, 'goaway');
      const statuses: (string | undefined)[] = [];
      while (!session.closed && !session.destroyed && statuses.length < MANY) {
        await call(session).then(
          ({ status }) => statuses.push(status),
          () => {},
        );
      }
      await goaway;
      expect(statuses.length).toBeGreaterThanOrEqual(20);
      expect(new Set(statuses)).toEqual(new Set(['16']));
    });
    expect(server.ended).toEqual(['refusals']);
  });

  it.each([
    ['calls without a token', (stream: number) => [headers(stream, CHECK), message(stream, check('now:1'))]],
    ['unknown methods', (stream: number) => [headers(stream, '/unknown/Method')]],
    ['calls of health', (stream: number) => [headers(stream, HEALTH_CHECK), message(stream, new Uint8Array())]],
    ['calls that it resets', (stream: number) => [headers(stream, CHECK), reset(stream)]],
    ['calls of health that it resets', (stream: number) => [headers(stream, HEALTH_CHECK), reset(stream)]],
  ])('a stranger that sends %s without a pause is ended, and others are served', async (_, of) => {
    const socket = await raw(server);
    const closed = once(socket, 'close');
    socket.write(inStreams(10 * MANY, (stream) => Buffer.concat(of(stream))));
    await closed;
    expect(server.ended).toHaveLength(1);
    await withSession(server.url, async (session) => {
      expect((await call(session, KNOWN)).status).toBe('0');
      expect((await health(session)).status).toBe('0');
    });
  });

  it('a call of health with a token makes the connection known, and refusals end it no more', async () => {
    await withSession(server.url, async (session) => {
      await health(session, KNOWN);
      for (let count = 0; count < MANY; count += 1) expect((await call(session)).status).toBe('16');
      expect((await call(session, KNOWN)).status).toBe('0');
    });
    expect([server.ended, server.connections.known]).toEqual([[], 1]);
  });

  it('a call of health with a wrong token is answered, and leaves the connection a stranger', async () => {
    await withSession(server.url, async (session) => {
      expect((await health(session, { authorization: 'Bearer wrong' })).status).toBe('0');
      expect([server.connections.strangers, server.connections.known]).toEqual([1, 0]);
    });
  });

  it('a first burst of calls with a token is answered as a whole', async () => {
    await withSession(server.url, async (session) => {
      const answers = await Promise.all(Array.from({ length: 300 }, () => call(session, KNOWN)));
      expect(answers.filter(({ status }) => status === '0')).toHaveLength(300);
    });
    expect(server.ended).toEqual([]);
  });

  it('a watch of health before the first call stays, and a body beside it that never ends is ended', async () => {
    await open({ requestMs: 300 });
    await withSession(server.url, async (session) => {
      const watch = send(session, { headers: { ':path': HEALTH_WATCH }, pieces: [frame(new Uint8Array())] });
      await once(watch, 'data');
      for (let round = 0; round < 3; round += 1) {
        const slow = send(session, { headers: { ':path': HEALTH_CHECK }, pieces: [Buffer.of(0, 0)], open: true });
        await new Promise((resolve) => slow.once('close', resolve));
        expect(slow.rstCode).toBe(11);
      }
      const changed = once(watch, 'data');
      server.setServing(true);
      await changed;
      expect((await call(session, KNOWN)).status).toBe('0');
    });
    expect(server.ended).toEqual([]);
  });

  it('a connection may open 100 streams until a call on it has authenticated, and 250 from then on', async () => {
    await withSession(server.url, async (session) => {
      if (session.remoteSettings.maxConcurrentStreams !== 100) await once(session, 'remoteSettings');
      expect(session.remoteSettings.maxConcurrentStreams).toBe(100);
      const changed = once(session, 'remoteSettings');
      expect((await call(session, KNOWN)).status).toBe('0');
      await changed;
      expect(session.remoteSettings).toMatchObject({ maxConcurrentStreams: 250, maxHeaderListSize: 65_536 });
    });
  });

  it('the bytes of strangers are counted after a turn of the event loop that was long', async () => {
    // No other look at strangers takes place.
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const socket = (await raw(server)).on('error', () => {});
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const one = http2Frame(FRAME.PRIORITY, 0, 1, Buffer.of(0, 0, 0, 3, 1));
    const frames = Buffer.alloc(one.length * 10_000, one);
    const write = (): void => {
      if (socket.destroyed) return;
      socket.write(frames);
      const end = performance.now() + 20;
      while (performance.now() < end);
      setImmediate(write);
    };
    write();
    await closed;
    expect(server.ended).toEqual(['bytes']);
  });

  it('a stranger has few streams at once', async () => {
    const socket = await raw(server);
    const closed = once(socket, 'close');
    socket.write(inStreams(STRANGER_LIMITS.open + 1, (stream) => headers(stream, HEALTH_CHECK)));
    await closed;
    expect(server.ended).toEqual(['requests']);
  });

  it('answers that wait for a window are bounded by time', async () => {
    await open({ requestMs: 300 });
    const socket = await raw(server);
    const closed = once(socket, 'close');
    // SETTINGS_INITIAL_WINDOW_SIZE: 0.
    socket.write(http2Frame(FRAME.SETTINGS, 0, 0, Buffer.of(0, 4, 0, 0, 0, 0)));
    const received: Buffer[] = [];
    socket.on('data', (piece: Buffer) => received.push(piece));
    socket.write(
      inStreams(1, (stream) => Buffer.concat([headers(stream, HEALTH_CHECK), message(stream, new Uint8Array())])),
    );
    await until('the reset', () =>
      Buffer.concat(received).includes(http2Frame(FRAME.RST_STREAM, 0, 1, Buffer.of(0, 0, 0, 11))),
    );
    socket.destroy();
    await closed;
  });

  it('headers that never end are bounded by time', async () => {
    await open({ headerMs: 200, headerBytes: 100 });
    const socket = await raw(server);
    const closed = once(socket, 'close');
    socket.write(http2Frame(FRAME.HEADERS, 0, 1, callHeaders(CHECK)));
    await closed;
    expect(server.ended).toEqual(['slow_header']);
  });

  it.each([
    ['PINGs', http2Frame(FRAME.PING, 0, 0, Buffer.alloc(8)), 400],
    ['SETTINGS', http2Frame(FRAME.SETTINGS, 0, 0), 400],
    ['window updates', http2Frame(FRAME.WINDOW_UPDATE, 0, 0, Buffer.of(0, 0, 0, 1)), 400],
    ['PRIORITY frames', http2Frame(FRAME.PRIORITY, 0, 1, Buffer.of(0, 0, 0, 3, 1)), 400],
  ])('a flood of %s ends the stranger', async (_, one, perWrite) => {
    await open({ bytes: { size: 20_000, refill: 100 } });
    const socket = await raw(server);
    const closed = once(socket, 'close');
    const flood = Buffer.concat(Array.from({ length: perWrite }, () => one));
    const pump = setInterval(() => socket.write(flood), 5);
    await closed;
    clearInterval(pump);
    expect(server.ended).toEqual(['bytes']);
  });

  it('connections that are idle make room for another', async () => {
    await server.stop(100);
    server = await openServer(name, { authenticate: callersWith('token'), connectionLimits: { strangers: 3 } });
    const idle = await Promise.all([raw(server), raw(server), raw(server)]);
    const closed = Promise.race(idle.map((socket) => once(socket, 'close')));
    await until('the connections', () => server.connections.strangers === 3);
    await withSession(server.url, async (session) => {
      expect((await call(session, KNOWN)).status).toBe('0');
      await closed;
      expect([server.connections.strangers, server.connections.known]).toEqual([2, 1]);
    });
    expect(server.ended).toEqual(['strangers']);
  });

  it('where every connection is known, one beyond the bound is refused', async () => {
    await server.stop(100);
    server = await openServer(name, { authenticate: callersWith('token'), connectionLimits: { total: 1 } });
    await withSession(server.url, async (session) => {
      await call(session, KNOWN);
      await expect(withSession(server.url, (other) => call(other, KNOWN))).rejects.toThrow();
      expect((await call(session, KNOWN)).status).toBe('0');
    });
    await until('the end of the connection', () => server.connections.known === 0);
    await withSession(server.url, async (session) => expect((await call(session, KNOWN)).status).toBe('0'));
  });
});

describe('a stranger that speaks HTTP/1.1', () => {
  let server: TestServer;
  const open = async (limits: Partial<typeof STRANGER_LIMITS> = {}): Promise<void> => {
    await server?.stop(100);
    server = await openServer('http', {
      authenticate: callersWith('token'),
      connectionLimits: { strangerLimits: { ...STRANGER_LIMITS, ...limits } },
    });
  };
  beforeEach(() => open());
  afterEach(() => server.stop(100));

  const PROBE = 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n';
  const post = (more = '', body = '{}'): string =>
    `POST ${CHECK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n${more}content-length: 2\r\n\r\n${body}`;
  const dial = (): Socket => {
    const socket = connect(server.port, '127.0.0.1').on('error', () => {});
    onTestFinished(() => void socket.destroy());
    return socket;
  };

  it('a connection that is only ever refused is ended, after its caller has seen the status', async () => {
    const socket = dial();
    const received = text(socket);
    for (let count = 0; count < MANY && socket.writable; count += 1) {
      socket.write(post());
      await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
    }
    expect((await received).match(/HTTP\/1\.1 401 /g)?.length).toBeGreaterThanOrEqual(20);
    expect(server.ended).toEqual(['refusals']);
  });

  it.each([
    ['probes', PROBE],
    ['calls without a token', post()],
    ['unknown paths', 'GET /unknown HTTP/1.1\r\nhost: x\r\n\r\n'],
  ])('a stranger that pipelines %s is ended, and the rest of them is not parsed', async (_, request) => {
    const parsed = parsedRequests();
    const socket = dial();
    socket.write(request.repeat(2_000));
    const answers = (await text(socket).catch(() => '')).match(/HTTP\/1\.1 /g) ?? [];
    expect(answers.length).toBeLessThanOrEqual(STRANGER_LIMITS.requests.size);
    expect(server.ended).toHaveLength(1);
    expect(parsed()).toBeLessThanOrEqual(STRANGER_LIMITS.requests.size + 1);
    expect((await fetch(`${server.url}/livez`)).status).toBe(200);
  });

  it('a probe that opens a connection each time is answered, as often as it comes', async () => {
    for (let count = 0; count < MANY; count += 1) {
      const socket = dial();
      socket.write(PROBE.replace('host: x', 'host: x\r\nconnection: close'));
      expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
    }
    expect(server.ended).toEqual([]);
  });

  it('the body of a refused call has the time of a request', async () => {
    await open({ requestMs: 300 });
    const socket = dial();
    const received = text(socket);
    socket.write(post('', '{'));
    expect(await received).toMatch(/^HTTP\/1\.1 401 /);
    expect(server.ended).toEqual(['slow_request']);
  });

  it('a refused call whose body comes in time leaves the connection open', async () => {
    await open({ requestMs: 300 });
    const socket = dial();
    socket.write(post('', '{'));
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 401 /);
    socket.write(`}${PROBE}`);
    expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    expect(server.ended).toEqual([]);
  });

  it('the requests of strangers are taken one in a turn of the event loop', async () => {
    const taken = takenInOneTurn();
    const sockets = Array.from({ length: 30 }, dial);
    await until('the connections', () => server.connections.strangers === 30);
    for (const socket of sockets) socket.write(PROBE);
    await Promise.all(sockets.map((socket) => once(socket, 'data')));
    const { most, all } = taken();
    expect(all).toBe(30);
    // A piece that is put back is parsed in the same turn or in the next.
    expect(most).toBeLessThanOrEqual(2);
  });

  it('a call with a token makes the connection known', async () => {
    const socket = dial();
    for (let count = 0; count < MANY; count += 1) {
      socket.write(post(count === 0 ? 'authorization: Bearer token\r\n' : ''));
      const [answer] = await once(socket, 'data');
      expect(String(answer)).toMatch(count === 0 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 401 /);
    }
    expect([server.ended, server.connections.known]).toEqual([[], 1]);
  });

  it('a JSON call whose refusal waits for a window is bounded by time', async () => {
    await open({ requestMs: 300 });
    const socket = await raw(server);
    const closed = once(socket, 'close');
    const received: Buffer[] = [];
    socket.on('data', (piece: Buffer) => received.push(piece));
    socket.write(http2Frame(FRAME.SETTINGS, 0, 0, Buffer.of(0, 4, 0, 0, 0, 0)));
    const json = {
      ':method': 'POST',
      ':scheme': 'http',
      ':path': CHECK,
      ':authority': 'x',
      'content-type': 'application/json',
    };
    socket.write(headerFrames(1, headerBlock(json), END_STREAM));
    await until('the reset', () =>
      Buffer.concat(received).includes(http2Frame(FRAME.RST_STREAM, 0, 1, Buffer.of(0, 0, 0, 11))),
    );
    socket.destroy();
    await closed;
  });
});

it('where callers do not authenticate, no connection is a stranger', async () => {
  const server = await openServer('grpc');
  await withSession(server.url, async (session) => {
    const answers = await Promise.all(
      Array.from({ length: MANY }, () => call(session, { ':path': '/unknown/Method' })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['12']));
    expect([server.ended, server.connections.known]).toEqual([[], 1]);
  });
  await server.stop(100);
});
