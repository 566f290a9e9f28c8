/** What every gRPC door does with connections: how they end, vanish and are secured. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../support/until.ts';
import {
  callHeaders,
  calmDown,
  END_HEADERS,
  END_STREAM,
  FRAME,
  headerFrames,
  http2Frame,
  openSocket,
} from './support/frames.ts';
import { GRPC_DOORS, onlyIf, openDoor, type TestDoor } from './support/grpc-doors.ts';
import { answerOf, CHECK, check, frame, rawCall, send, withSession } from './support/raw-call.ts';

const portOf = ({ address }: TestDoor): number => Number(address.split(':')[1]);

describe.each(GRPC_DOORS)('the %s door', (name, createDoor) => {
  const lean = name === 'lean';
  let door: TestDoor;
  let stopped = false;
  const stop = (timeoutMs: number): Promise<void> => {
    stopped = true;
    return door.door.stop(timeoutMs);
  };
  beforeEach(async () => {
    stopped = false;
    door = await openDoor(createDoor);
  });
  afterEach(() => (stopped ? undefined : door.door.stop(100)));

  describe('stops', () => {
    it('at once though a connection is idle', async () => {
      await withSession(door.url, async (session) => {
        await answerOf(send(session, { pieces: [frame(check('now:1'))] }));
        const goaway = once(session, 'goaway');
        // Far beyond this test's own time-out.
        await stop(120_000);
        expect((await goaway)[0]).toBe(0);
      });
      await expect(rawCall(door.url, {})).rejects.toThrow();
    });

    it('after the calls under way, and takes no new ones', async () => {
      await withSession(door.url, async (session) => {
        const first = answerOf(send(session, { pieces: [frame(check('pending:1'))] }));
        await until('the call', () => door.asked.length === 1);
        const goaway = once(session, 'goaway');
        const stopping = stop(120_000);
        await goaway;
        await expect(withSession(door.url, (other) => answerOf(send(other, {})))).rejects.toThrow();
        door.release();
        expect((await first).status).toBe('0');
        await stopping;
      });
    });

    it('after its time, whatever is still under way', async () => {
      await withSession(door.url, async (session) => {
        const call = answerOf(send(session, { pieces: [frame(check('never:1'))] }));
        await until('the call', () => door.asked.length === 1);
        await Promise.all([expect(call).rejects.toThrow(), stop(50)]);
      });
    });

    it('after its time, with a connection that never says a word', async () => {
      const silent = connect(portOf(door), '127.0.0.1').resume();
      await once(silent, 'connect');
      // Accepted by now: it came first.
      await rawCall(door.url, { pieces: [frame(check('now:1'))] });
      await stop(50);
      silent.destroy();
    });
  });

  describe('connections', () => {
    it('whose peer vanished are closed; others are kept', async () => {
      const watched = await openDoor(createDoor, { keepalive: { intervalMs: 100, timeoutMs: 100 } });
      try {
        // It never answers a PING.
        const deaf = await openSocket(portOf(watched));
        deaf.resume();
        await withSession(watched.url, async (session) => {
          await answerOf(send(session, { pieces: [frame(check('now:1'))] }));
          await once(deaf, 'close');
          expect((await answerOf(send(session, { pieces: [frame(check('now:1'))] }))).status).toBe('0');
        });
      } finally {
        await watched.door.stop(100);
      }
    });

    it('that break off in the middle of a call leave nothing behind', async () => {
      const socket = await openSocket(portOf(door));
      socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 1, callHeaders(CHECK)));
      socket.write(http2Frame(FRAME.DATA, END_STREAM, 1, frame(check('pending:1'))));
      await until('the call', () => door.asked.length === 1);
      socket.destroy();
      door.release();
      expect((await rawCall(door.url, { pieces: [frame(check('now:1'))] })).status).toBe('0');
      await stop(120_000);
    });

    // grpc-js takes what had come by then for the whole request.
    onlyIf(lean, it)(
      'on which a call is cancelled before it was sent whole go on, and it is not asked about',
      async () => {
        const socket = await openSocket(portOf(door));
        socket.resume();
        socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 1, callHeaders(CHECK)));
        socket.write(http2Frame(FRAME.DATA, 0, 1, frame(check('cancelled:1'))));
        socket.write(http2Frame(FRAME.RST_STREAM, 0, 1, Buffer.of(0, 0, 0, 8)));
        socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 3, callHeaders(CHECK)));
        socket.write(http2Frame(FRAME.DATA, END_STREAM, 3, frame(check('next:1'))));
        await until('the next call', () => door.asked.length > 0);
        expect(door.asked).toEqual(['next:1']);
        socket.destroy();
      },
    );

    it('on which a call has too many headers go on, and the call is reset', async () => {
      const socket = await openSocket(portOf(door));
      const received: Buffer[] = [];
      socket.on('data', (piece: Buffer) => received.push(piece));
      const block = callHeaders(CHECK, { 'x-large': 'x'.repeat(40_000), 'x-larger': 'x'.repeat(40_000) });
      socket.write(headerFrames(1, block));
      await until('the reset', () => Buffer.concat(received).includes(calmDown(1)));
      socket.write(http2Frame(FRAME.HEADERS, END_HEADERS, 3, callHeaders(CHECK)));
      socket.write(http2Frame(FRAME.DATA, END_STREAM, 3, frame(check('next:1'))));
      await until('the next call', () => door.asked.includes('next:1'));
      socket.destroy();
    });

    it('of HTTP/1.1 are closed', async () => {
      const socket = connect(portOf(door), '127.0.0.1');
      socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
      socket.resume();
      await once(socket, 'close');
      expect((await rawCall(door.url, { pieces: [frame(check('now:1'))] })).status).toBe('0');
    });
  });

  // By the specification (RFC 9113, section 8.1); grpc-js waits for the caller to end its request.
  onlyIf(lean, it)('tells a caller that is refused to stop sending', async () => {
    await withSession(door.url, async (session) => {
      const stream = send(session, { pieces: [Buffer.of(0, 255, 0, 0, 0)], open: true });
      const closed = once(stream, 'close');
      expect((await answerOf(stream)).status).toBe('8');
      await closed;
      expect(stream.rstCode).toBe(0);
    });
  });
});
