/** Callers that are slow, or say nothing: how long the port in the clear keeps their connections. */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openServer, type TestServer } from '../../support/server/test-server.ts';

const FIRST_BYTES_MS = 1_000;
const SLOWNESS = { headersTimeout: 100, requestTimeout: 100, connectionsCheckingInterval: 20 };

let server: TestServer;
beforeEach(async () => {
  server = await openServer('http', { firstBytesMs: FIRST_BYTES_MS, http1Bounds: SLOWNESS });
});
afterEach(() => server.stop(100));

/** A connection that has sent this. */
const saying = (bytes: string): Socket => {
  const socket = connect(server.port, '127.0.0.1');
  if (bytes !== '') socket.write(bytes);
  return socket;
};
const GET = 'GET /livez HTTP/1.1\r\nhost: x\r\n\r\n';

describe('a connection that is closed', () => {
  it.each([
    ['nothing', ''],
    ['what may become either version', 'PR'],
  ])('a connection is closed that sends %s', async (_, bytes) => {
    expect(await text(saying(bytes))).toBe('');
  });

  it('a connection is closed that never finishes its headers', async () => {
    expect(await text(saying('GET /livez HTTP/1.1\r\nhost: x\r\n'))).toMatch(/^HTTP\/1\.1 408 /);
  });
});

it('a connection that has sent its version of HTTP is kept', async () => {
  const http1 = saying(GET);
  expect((await once(http1, 'data'))[0].toString()).toMatch(/ok/);
  const http2 = connectHttp2(`http://127.0.0.1:${server.port}`);
  await once(http2, 'remoteSettings');
  // As long as silent connections are kept: both were there before it.
  await text(saying(''));
  http1.write(GET);
  expect((await once(http1, 'data'))[0].toString()).toMatch(/ok/);
  expect(await text(http2.request({ ':path': '/livez' }))).toBe('ok\n');
  http2.close();
});
