/** Streaming calls that outlive what their callers authenticated with. */
import { once } from 'node:events';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { sha256 } from '../../support/callers.ts';
import { frame, send, withSession } from '../../support/server/raw-call.ts';
import { changingCallers, GRPC_SERVERS, openServer, type TestServer } from '../../support/server/test-server.ts';

const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const WATCH = '/grpc.health.v1.Health/Watch';
const entry = (name: string, methods = REFLECTION.slice(1), ...tokens: readonly string[]): string =>
  `  - { name: ${name}, methods: [${methods}], tokens: [${tokens.join(', ')}] }\n`;
const token = (text: string, expires = ''): string =>
  `{ sha256: ${sha256(text)}${expires && `, expires: ${expires}`} }`;
const file = (...entries: readonly string[]): string => `callers:\n${entries.join('')}`;

let server: TestServer;
afterEach(async () => {
  await server.stop(100);
  expect(server.defects).toEqual([]);
});

/** A stream that is open, and its trailers once it ends. */
const open = async (session: ClientHttp2Session, path: string, bearer: string | null) => {
  const headers = { ':path': path, ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }) };
  const stream: ClientHttp2Stream = send(session, {
    headers,
    pieces: [frame(new Uint8Array())],
    open: path === REFLECTION,
  });
  const ended = once(stream, 'trailers').then(([trailers]) => String(trailers['grpc-status']));
  stream.resume();
  await once(stream, 'response');
  return { stream, ended };
};
/** Whether a stream is open still, after the server has answered a PING that came behind all that it sent. */
const isOpen = async (session: ClientHttp2Session, { stream }: { stream: ClientHttp2Stream }): Promise<boolean> => {
  await new Promise<void>((resolve) => session.ping(() => resolve()));
  return !stream.closed;
};

describe.each(GRPC_SERVERS)('on the %s address', (name) => {
  it('a streaming call ends with UNAUTHENTICATED once its token is withdrawn or has expired, and others go on', async () => {
    const others = entry('others', undefined, token('others'));
    const two = entry('orders', undefined, token('one'), token('two', '2100-01-01'));
    const callers = changingCallers(file(two, others));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      const [one, second, other] = [
        await open(session, REFLECTION, 'one'),
        await open(session, REFLECTION, 'two'),
        await open(session, REFLECTION, 'others'),
      ];
      callers.change(file(two, others));
      callers.setTime('2099-12-31T23:59:59.999Z');
      expect(await isOpen(session, one)).toBe(true);
      callers.change(file(entry('orders', undefined, token('two', '2100-01-01')), others));
      expect(await one.ended).toBe('16');
      expect(await isOpen(session, second)).toBe(true);
      callers.setTime('2100-01-01T00:00:00Z');
      expect(await second.ended).toBe('16');
      expect(await isOpen(session, other)).toBe(true);
      expect(server.byCaller).toEqual(Array(2).fill(['orders', 'CALLER_UNAUTHENTICATED']));
    });
  });

  it('a streaming call ends with PERMISSION_DENIED once its method is withdrawn, and with UNAUTHENTICATED for a token of another caller', async () => {
    const callers = changingCallers(
      file(entry('orders', undefined, token('one')), entry('billing', undefined, token('two'))),
    );
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      const [one, two] = [await open(session, REFLECTION, 'one'), await open(session, REFLECTION, 'two')];
      callers.change(file(entry('orders', 'GetUser', token('one')), entry('another', undefined, token('two'))));
      expect([await one.ended, await two.ended]).toEqual(['7', '16']);
    });
  });

  it('a health watch ends once its caller is no longer known, and one of a stranger goes on', async () => {
    const others = entry('others', undefined, token('others'));
    const callers = changingCallers(file(entry('orders', undefined, token('one'), token('two')), others));
    server = await openServer(name, callers);
    await withSession(server.url, async (session) => {
      const [known, stranger, wrong] = [
        await open(session, WATCH, 'one'),
        await open(session, WATCH, null),
        await open(session, WATCH, 'wrong'),
      ];
      // The caller has another token by now: its health must not fail for that.
      callers.change(file(entry('orders', undefined, token('two', '2100-01-01')), others));
      expect(await isOpen(session, known)).toBe(true);
      callers.setTime('2100-01-01');
      expect(await known.ended).toBe('16');
      callers.change(file(others));
      expect([await isOpen(session, stranger), await isOpen(session, wrong)]).toEqual([true, true]);
      // Everyone may watch, also by a token that has expired.
      expect(await isOpen(session, await open(session, WATCH, 'one'))).toBe(true);
    });
  });

  it('a caller that opens and ends streams leaves none behind', async () => {
    const callers = changingCallers(file(entry('orders', undefined, token('one'))));
    let open_ = 0;
    const add: typeof callers.openCalls.add = (call) => {
      open_ += 1;
      const remove = callers.openCalls.add(call);
      return () => {
        open_ -= 1;
        remove();
      };
    };
    server = await openServer(name, { ...callers, openCalls: { ...callers.openCalls, add } });
    await withSession(server.url, async (session) => {
      for (let call = 0; call < 20; call += 1) {
        const { stream } = await open(session, REFLECTION, 'one');
        const closed = once(stream, 'close');
        if (call % 2 === 0) stream.close(8);
        else stream.end();
        await closed;
      }
      await new Promise<void>((resolve) => session.ping(() => resolve()));
    });
    await expect.poll(() => open_).toBe(0);
  });
});

it('a streaming call of a certificate ends once no caller names the certificate', async () => {
  const authority = createAuthority('authority');
  const tls = { ...authority.issue('server'), clientCa: authority.cert };
  const named = (certificate: string): string =>
    `callers:\n  - { name: orders, methods: [${REFLECTION.slice(1)}], certificates: ["${certificate}"] }\n`;
  const callers = changingCallers(named('spiffe://example.org/orders'));
  server = await openServer('grpc', { ...callers, tls });
  const client = authority.issue('orders', ['URI:spiffe://example.org/orders']);
  await withSession(
    server.url,
    async (session) => {
      const call = await open(session, REFLECTION, null);
      expect(await isOpen(session, call)).toBe(true);
      callers.change(named('spiffe://example.org/other'));
      expect(await call.ended).toBe('16');
    },
    { ca: authority.cert, ...client },
  );
});
