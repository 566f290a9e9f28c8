/** Connections of gRPC on both addresses: how they end and vanish. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  callHeaders,
  calmDown,
  END_HEADERS,
  END_STREAM,
  FRAME,
  headerFrames,
  http2Frame,
  openSocket,
} from '../../support/server/frames.ts';
import { answerOf, CHECK, check, frame, rawCall, send, withSession } from '../../support/server/raw-call.ts';
import { GRPC_SERVERS, openServer, type TestServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

describe.each(GRPC_SERVERS)('a connection of gRPC on the %s address', (name) => {
  let server: TestServer;
  let stopped = false;
  const stop = (timeoutMs: number): Promise<void> => {
    stopped = true;
    return server.stop(timeoutMs);
  };
  beforeEach(async () => {
    stopped = false;
    server = await openServer(name);
  });
  afterEach(() => (stopped ? undefined : server.stop(100)));

  describe('a stop of the gRPC server', () => {
    it('a stop ends at once though a connection is idle', async () => {
      await withSession(server.url, async (session) => {
        await answerOf(send(session, { pieces: [frame(check('now:1'))] }));
        const goaway = once(session, 'goaway');
        // Far beyond this test's own time-out.
        await stop(120_000);
        expect((await goaway)[0]).toBe(0);
      });
      await expect(rawCall(server.url, {})).rejects.toThrow();
    });

    it('a stop waits for the calls under way, and refuses new ones', async () => {
      await withSession(server.url, async (session) => {
        const first = answerOf(send(session, { pieces: [frame(check('pending:1'))] }));
        await until('the call', () => server.asked.length === 1);
        const goaway = once(session, 'goaway');
        const stopping = stop(120_000);
        await goaway;
        await expect(withSession(server.url, (other) => answerOf(send(other, {})))).rejects.toThrow();
        server.release();
        expect((await first).status).toBe('0');
        await stopping;
      });
    });

    it('a stop ends after its time limit, with calls still under way', async () => {
      await withSession(server.url, async (session) => {
        const call = answerOf(send(session, { pieces: [frame(check('never:1'))] }));
        await until('the call', () => server.asked.length === 1);
        await Promise.all([expect(call).rejects.toThrow(), stop(50)]);
      });
    });

    it('a stop ends after its time limit, with a connection that sends nothing', async () => {
      const silent = connect(server.port, '127.0.0.1').resume();
      await once(silent, 'connect');
      // Accepted by now: it came first.
      await rawCall(server.url, { pieces: [frame(check('now:1'))] });
      await stop(50);
      silent.destroy();
    });
  });

  describe('connections of gRPC', () => {
    it('connections whose peer vanished are closed, and others are kept', async () => {
      const watched = await openServer(name, { keepalive: { intervalMs: 100, timeoutMs: 100 } });
      try {
        // It never answers a PING.
        const silent = await openSocket(watched.port);
        silent.resume();
        await withSession(watched.url, async (session) => {
          await answerOf(send(session, { pieces: [frame(check('now:1'))] }));
          await once(silent, 'close');
          expect((await answerOf(send(session, { pieces: [frame(check('now:1'))] }))).status).toBe('0');
        });
      } finally {
        await watched.stop(100);
      }
    });

    it('connections that break in the middle of a call leave nothing behind', async () => {
      const socket = await openSocket(server.port);
      socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 1, callHeaders(CHECK)));
      socket.write(http2Frame(FRAME.DATA, END_STREAM, 1, frame(check('pending:1'))));
      await until('the call', () => server.asked.length === 1);
      socket.destroy();
      server.release();
      expect((await rawCall(server.url, { pieces: [frame(check('now:1'))] })).status).toBe('0');
      await stop(120_000);
    });

    it('a connection goes on when a call is cancelled before its message is complete, and the call is not handled', async () => {
      const socket = await openSocket(server.port);
      socket.resume();
      socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 1, callHeaders(CHECK)));
      socket.write(http2Frame(FRAME.DATA, 0, 1, frame(check('cancelled:1'))));
      socket.write(http2Frame(FRAME.RST_STREAM, 0, 1, Buffer.of(0, 0, 0, 8)));
      socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 3, callHeaders(CHECK)));
      socket.write(http2Frame(FRAME.DATA, END_STREAM, 3, frame(check('next:1'))));
      await until('the next call', () => server.asked.length > 0);
      expect(server.asked).toEqual(['next:1']);
      socket.destroy();
    });

    it('a connection of gRPC goes on when a call with too many headers is reset', async () => {
      const socket = await openSocket(server.port);
      const received: Buffer[] = [];
      socket.on('data', (piece: Buffer) => received.push(piece));
      const block = callHeaders(CHECK, { 'x-large': 'x'.repeat(40_000), 'x-larger': 'x'.repeat(40_000) });
      socket.write(headerFrames(1, block));
      await until('the reset', () => Buffer.concat(received).includes(calmDown(1)));
      socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 3, callHeaders(CHECK)));
      socket.write(http2Frame(FRAME.DATA, END_STREAM, 3, frame(check('next:1'))));
      await until('the next call', () => server.asked.includes('next:1'));
      socket.destroy();
    });

    it('connections of HTTP/1.1 are closed on the gRPC address', async () => {
      const socket = connect(server.port, '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      socket.resume();
      await once(socket, 'close');
      expect((await rawCall(server.url, { pieces: [frame(check('now:1'))] })).status).toBe('0');
    });
  });

  // RFC 9113, section 8.1.
  it('the server asks a refused caller to stop sending', async () => {
    await withSession(server.url, async (session) => {
      const stream = send(session, { pieces: [Buffer.of(0, 255, 0, 0, 0)], open: true });
      const closed = once(stream, 'close');
      expect((await answerOf(stream)).status).toBe('8');
      await closed;
      expect(stream.rstCode).toBe(0);
    });
  });
});
