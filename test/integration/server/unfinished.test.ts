/** Calls of known callers whose message does not come as a whole. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { answerOf, CHECK, check, frame, send, withSession } from '../../support/server/raw-call.ts';
import { GRPC_SERVERS, openServer, type TestServer, type TestServerOptions } from '../../support/server/test-server.ts';

const open = async (name: 'grpc' | 'http', options: TestServerOptions): Promise<TestServer> => {
  const server = await openServer(name, options);
  onTestFinished(() => server.stop(100));
  return server;
};

it.each(GRPC_SERVERS)(
  'on the %s address a call is DEADLINE_EXCEEDED whose message does not come in time',
  async (name) => {
    const server = await open(name, { arrivalMs: 300 });
    await withSession(server.url, async (session) => {
      const slow = send(session, { pieces: [frame(check('now:1')).subarray(0, 7)], open: true });
      const closed = new Promise((resolve) => slow.once('close', resolve));
      expect((await answerOf(slow)).status).toBe('4');
      await closed;
      expect((await answerOf(send(session, { pieces: [frame(check('now:1'))] }))).status).toBe('0');
    });
    expect([server.asked, server.counted]).toEqual([['now:1'], [4, 0]]);
  },
);

it.each(GRPC_SERVERS)('on the %s address a call that is handled has no bound on its time', async (name) => {
  const server = await open(name, { arrivalMs: 100 });
  await withSession(server.url, async (session) => {
    const pending = answerOf(send(session, { pieces: [frame(check('pending:1'))] }));
    const slow = answerOf(send(session, { pieces: [frame(check('now:1')).subarray(0, 7)], open: true }));
    expect((await slow).status).toBe('4');
    server.release();
    expect((await pending).status).toBe('0');
  });
});

it('a JSON call over HTTP/2 is answered whose message does not come in time, and its stream is closed', async () => {
  const server = await open('http', { arrivalMs: 300 });
  await withSession(server.url, async (session) => {
    const slow = send(session, {
      headers: { 'content-type': 'application/json' },
      pieces: [Buffer.from('{"permis')],
      open: true,
    });
    const closed = new Promise((resolve) => slow.once('close', resolve));
    const [headers] = await once(slow, 'response');
    expect(headers[':status']).toBe(504);
    expect(await text(slow)).toContain('deadline_exceeded');
    await closed;
  });
  expect(server.counted).toEqual([4]);
});

it('a call over HTTP/1.1 whose message does not come in time ends with its connection', async () => {
  const server = await open('http', {
    http1Bounds: { headersTimeout: 100, requestTimeout: 300, connectionsCheckingInterval: 50 },
  });
  const socket = connect(server.port, '127.0.0.1').on('error', () => {});
  socket.write(`POST ${CHECK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 22\r\n\r\n{"`);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
});
