/** Connections that outlive what their callers authenticated with. */
import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { STRANGER_LIMITS } from '../../../src/server/stranger-bounds.ts';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { sha256 } from '../../support/callers.ts';
import { answerOf, CHECK, check, frame, send, withSession } from '../../support/server/raw-call.ts';
import { changingCallers, GRPC_SERVERS, openServer, type TestServer } from '../../support/server/test-server.ts';

const token = (name: string, expires = ''): string =>
  `{ sha256: ${sha256(name)}${expires && `, expires: ${expires}`} }`;
const entry = (name: string, ...tokens: readonly string[]): string =>
  `  - { name: ${name}, tokens: [${tokens.join(', ')}] }\n`;
const file = (...entries: readonly string[]): string => `callers:\n${entries.join('')}`;
const BILLING = entry('billing', token('billing'));

let server: TestServer;
afterEach(async () => {
  await server.stop(100);
  expect(server.defects).toEqual([]);
});

const call = (session: ClientHttp2Session, bearer: string | null, permission = 'now:1') =>
  answerOf(
    send(session, {
      headers: bearer === null ? {} : { authorization: `Bearer ${bearer}` },
      pieces: [frame(check(permission))],
    }),
  );
const numbers = ({ connections }: TestServer) => ({ known: connections.known, strangers: connections.strangers });
const KNOWN = { known: 1, strangers: 0 };
const STRANGER = { known: 0, strangers: 1 };

/** Makes refused calls until the server ends the connection. */
const refusedToTheEnd = async (session: ClientHttp2Session, bearer: string): Promise<void> => {
  const goaway = once(session, 'goaway');
  for (let count = 0; count < 2 * STRANGER_LIMITS.requests.size && !session.closed && !session.destroyed; count += 1) {
    await call(session, bearer).catch(() => {});
  }
  expect(session.closed || session.destroyed).toBe(true);
  await goaway;
};

describe.each(GRPC_SERVERS)('a connection on the %s address', (name) => {
  it.each([
    ['its caller is withdrawn', (callers: ReturnType<typeof changingCallers>) => callers.change(file(BILLING))],
    [
      'its token is withdrawn, though its caller has another',
      (callers: ReturnType<typeof changingCallers>) => callers.change(file(BILLING, entry('orders', token('two')))),
    ],
    ['its token has expired', (callers: ReturnType<typeof changingCallers>) => callers.setTime('2100-01-01T00:00:00Z')],
  ])('a connection has the bounds of a stranger once %s', async (_, withdraw) => {
    const callers = changingCallers(file(BILLING, entry('orders', token('one', '2100-01-01'))));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      expect((await call(session, 'one')).status).toBe('0');
      expect(numbers(server)).toEqual(KNOWN);
      withdraw(callers);
      expect(numbers(server)).toEqual(STRANGER);
      await refusedToTheEnd(session, 'one');
      expect(server.ended).toEqual(['refusals']);
    });
  });

  it('a call under way is answered, and a call with another token makes the connection known again', async () => {
    const callers = changingCallers(file(entry('orders', token('one'))));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      const pending = call(session, 'one', 'pending');
      expect((await call(session, 'one')).status).toBe('0');
      callers.change(file(entry('orders', token('two'))));
      expect(numbers(server)).toEqual(STRANGER);
      server.release();
      expect((await pending).status).toBe('0');
      expect((await call(session, 'two')).status).toBe('0');
      expect(numbers(server)).toEqual(KNOWN);
      // The old token is refused as often as it comes: the connection is that of a known caller.
      for (let count = 0; count < 2 * STRANGER_LIMITS.requests.size; count += 1) {
        expect((await call(session, 'one')).status).toBe('16');
      }
      expect(server.ended).toEqual([]);
    });
  });

  it('the bytes of its time as a known connection are not counted', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const callers = changingCallers(file(entry('orders', token('one'))));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      const wide = 'x'.repeat(2 * STRANGER_LIMITS.bytes.size);
      expect((await call(session, 'one', `size:${wide}`)).status).toBe('0');
      callers.change(file(entry('orders', token('two'))));
      // The looks at strangers find nothing.
      vi.advanceTimersByTime(500);
      expect((await call(session, 'two')).status).toBe('0');
      expect(server.ended).toEqual([]);
    });
  });

  it('a connection stays known while one of the callers is known whose calls a proxy passes on', async () => {
    const callers = changingCallers(file(BILLING, entry('orders', token('one'))));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      expect((await call(session, 'billing')).status).toBe('0');
      expect((await call(session, 'one')).status).toBe('0');
      callers.change(file(BILLING));
      expect(numbers(server)).toEqual(KNOWN);
      callers.change(file(entry('others', token('others'))));
      expect(numbers(server)).toEqual(STRANGER);
    });
  });

  it('a connection stays known once a caller has gone over to another token', async () => {
    const callers = changingCallers(file(entry('orders', token('one'), token('two'))));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      expect((await call(session, 'one')).status).toBe('0');
      expect((await call(session, 'two')).status).toBe('0');
      callers.change(file(entry('orders', token('two'))));
      expect(numbers(server)).toEqual(KNOWN);
    });
  });

  it('a change that leaves the token in force leaves the connection known', async () => {
    const callers = changingCallers(file(entry('orders', token('one'))));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      for (const other of ['a', 'b', 'c']) {
        expect((await call(session, 'one')).status).toBe('0');
        callers.change(file(entry('orders', token('one')), entry(other, token(other))));
        expect(numbers(server)).toEqual(KNOWN);
      }
    });
  });

  it('a connection that finds as many strangers as there may be ends', async () => {
    const callers = changingCallers(file(entry('orders', token('one'))));
    server = await openServer(name, { ...callers, connectionLimits: { strangers: 1 } });
    await withSession(server.url, async (first) => {
      await call(first, 'one');
      await withSession(server.url, async (second) => {
        await call(second, 'one');
        const closed = new Promise((resolve) => {
          for (const session of [first, second]) session.on('error', () => {}).once('close', resolve);
        });
        callers.change(file(BILLING));
        await closed;
        expect(numbers(server)).toEqual(STRANGER);
        expect(server.ended).toEqual(['strangers']);
      });
    });
  });
});

it('a connection of HTTP/1.1 has the bounds of a stranger once its token is withdrawn', async () => {
  const callers = changingCallers(file(entry('orders', token('one'))));
  server = await openServer('http', callers);
  const socket = connect(server.port, '127.0.0.1').on('error', () => {});
  onTestFinished(() => void socket.destroy());
  const head = `POST ${CHECK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer one\r\n`;
  const post = `${head}content-length: 2\r\n\r\n{}`;
  socket.write(post);
  expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
  callers.change(file(BILLING));
  expect(numbers(server)).toEqual(STRANGER);
  const received = text(socket).catch(() => '');
  for (let count = 0; count < 2 * STRANGER_LIMITS.requests.size && socket.writable; count += 1) {
    socket.write(post);
    await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
  }
  expect(await received).toMatch(/HTTP\/1\.1 401 /);
  expect(server.ended).toEqual(['refusals']);
});

it('a connection has the bounds of a stranger once no caller names its certificate', async () => {
  const authority = createAuthority('authority');
  const tls = { ...authority.issue('server'), clientCa: authority.cert };
  const named = (certificate: string): string => `callers:\n  - { name: orders, certificates: ["${certificate}"] }\n`;
  const callers = changingCallers(named('spiffe://example.org/orders'));
  server = await openServer('grpc', { ...callers, tls });
  const client = authority.issue('orders', ['URI:spiffe://example.org/orders']);
  await withSession(
    server.url,
    async (session) => {
      expect((await call(session, null)).status).toBe('0');
      expect(numbers(server)).toEqual(KNOWN);
      callers.change(named('spiffe://example.org/other'));
      expect(numbers(server)).toEqual(STRANGER);
    },
    { ca: authority.cert, ...client },
  );
});
