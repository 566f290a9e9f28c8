/** Callers that are slow, or say nothing: how long the port in the clear keeps their connections. */
import { once } from 'node:events';
import { connect as connectHttp2, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPlainServer, type PlainServer } from '../../src/transport/plain-server.ts';

const FIRST_BYTES_MS = 1_000;
const SLOWNESS = { headersTimeout: 100, requestTimeout: 100, connectionsCheckingInterval: 20 };

let plain: PlainServer;
let sessions: ServerHttp2Session[];
let port = 0;

beforeEach(async () => {
  sessions = [];
  plain = createPlainServer(
    (_request, response) => response.end('answered'),
    (session) => sessions.push(session),
    { firstBytesMs: FIRST_BYTES_MS, http1: SLOWNESS },
  );
  plain.server.listen(0, '127.0.0.1');
  await once(plain.server, 'listening');
  port = (plain.server.address() as AddressInfo).port;
});
afterEach(async () => {
  const closed = new Promise((resolve) => plain.server.close(resolve));
  for (const session of sessions) session.destroy();
  plain.closeIdleConnections();
  await closed;
});

/** A connection that has sent this. */
const saying = (bytes: string): Socket => {
  const socket = connect(port, '127.0.0.1');
  if (bytes !== '') socket.write(bytes);
  return socket;
};
const GET = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n';

describe('a connection is closed', () => {
  it.each([
    ['nothing', ''],
    ['what may become either version', 'PR'],
  ])('that says %s', async (_, bytes) => {
    expect(await text(saying(bytes))).toBe('');
  });

  it('that never finishes its headers', async () => {
    expect(await text(saying('GET / HTTP/1.1\r\nhost: x\r\n'))).toMatch(/^HTTP\/1\.1 408 /);
  });
});

it('a connection that has said which version it speaks is kept', async () => {
  const http1 = saying(GET);
  expect((await once(http1, 'data'))[0].toString()).toMatch(/answered/);
  const http2 = connectHttp2(`http://127.0.0.1:${port}`);
  await once(http2, 'remoteSettings');
  // As long as those that say nothing are kept: both were there before it.
  await text(saying(''));
  http1.write(GET);
  expect((await once(http1, 'data'))[0].toString()).toMatch(/answered/);
  expect(await text(http2.request({ ':path': '/' }))).toBe('answered');
  http2.close();
});
