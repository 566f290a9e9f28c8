/** Calls on the HTTP address, in each of its protocols. */
import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AuthService, CheckPermissionRequestSchema } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { ErrorInfoSchema } from '../../../gen/google/rpc/error_details_pb.ts';
import { portOf } from '../../support/port-of.ts';
import { CHECK, check, frame, rawCall, send, withSession } from '../../support/server/raw-call.ts';
import { openServer, type TestServer } from '../../support/server/test-server.ts';
import { warningsOf } from '../../support/server/warnings.ts';
import { until } from '../../support/until.ts';

let server: TestServer;
let url = '';

beforeEach(async () => {
  server = await openServer('http');
  ({ url } = server);
});
afterEach(() => server.stop(100));

const common = () => ({ baseUrl: url, httpVersion: '1.1' as const });
const PROTOCOLS = [
  ['JSON', () => createConnectTransport({ ...common(), useBinaryFormat: false })],
  ['Connect', () => createConnectTransport({ ...common(), useBinaryFormat: true })],
  ['gRPC-Web', () => createGrpcWebTransport({ ...common(), useBinaryFormat: true })],
  ['gRPC-Web with JSON', () => createGrpcWebTransport({ ...common(), useBinaryFormat: false })],
  ['gRPC', () => createGrpcTransport({ baseUrl: url })],
  ['gRPC with JSON', () => createGrpcTransport({ baseUrl: url, useBinaryFormat: false })],
] as const;

describe.each(PROTOCOLS)('calls by %s', (_, createTransport) => {
  it.each(['now', 'later'])(
    'an answer that cannot be encoded is counted by the status that is sent, %s',
    async (when) => {
      const client = createClient(AuthService, createTransport());
      const error = await client.checkPermission({ permission: `unencodable:${when}` }).catch(ConnectError.from);
      // In the text of every defect, and with its details.
      expect(error).toMatchObject({
        code: Code.Internal,
        rawMessage: 'Internal error: see the log of the service.',
      });
      expect((error as ConnectError).findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'INTERNAL' }]);
      expect(server.counted).toEqual([13]);
      expect(server.defects).toHaveLength(1);
      expect(await client.checkPermission({ permission: 'a:b' })).toMatchObject({ grantedBy: 'a:b' });
      expect(server.counted).toEqual([13, 0]);
    },
  );

  it('unknown fields of a message are dropped', async () => {
    const unknown = { no: 15, wireType: 0, data: Uint8Array.of(1) };
    const request = create(CheckPermissionRequestSchema, { permission: 'a:b' });
    request.$unknown = [unknown];
    await createClient(AuthService, createTransport()).checkPermission(request);
    expect(server.requests).toHaveLength(1);
    expect(server.requests[0]).not.toHaveProperty('$unknown');
  });
});

// Connect sets a timer before it checks the length of the deadline, and before authentication.
it.each([
  ['JSON', 'application/json', '{}', { 'connect-timeout-ms': '2147483648' }],
  ['JSON', 'application/json', '{}', { 'connect-timeout-ms': '9999999999' }],
  ['gRPC-Web', 'application/grpc-web+proto', frame(check('a:b')), { 'grpc-timeout': '600H' }],
])('a deadline by %s that is too far for a timer is refused, without a warning', async (_, type, body, deadline) => {
  const warnings = await warningsOf(async () => {
    const pieces = [Buffer.from(body)];
    const answer = await rawCall(url, { headers: { 'content-type': type, ...deadline }, pieces });
    const all = JSON.stringify({ ...answer.headers, ...answer.trailers }) + answer.body.toString();
    expect(decodeURIComponent(all)).toContain('the deadline must be 1 to 60000 ms.');
  });
  expect(warnings).toEqual([]);
  expect(server.requests).toEqual([]);
  expect(server.counted).toEqual([3]);
});

it.each([
  ['JSON', 'application/json', '{"permission":"never:1"}', { 'connect-timeout-ms': '0' }],
  ['gRPC-Web', 'application/grpc-web+proto', frame(check('never:1')), { 'grpc-timeout': '0S' }],
])('a deadline by %s that has passed before the message has come ends the call', async (_, type, body, deadline) => {
  const pieces = [Buffer.from(body)];
  const answer = await rawCall(url, { headers: { 'content-type': type, ...deadline }, pieces });
  const all = JSON.stringify({ ...answer.headers, ...answer.trailers }) + answer.body.toString();
  expect(all).toMatch(/deadline_exceeded|grpc-status"?: ?"?4/);
  expect(server.requests).toEqual([]);
  expect(server.counted).toEqual([4]);
});

it.each([
  ['a question', 'POST', '', '{"permission":"a:b"}'],
  ['a question in the URL', 'GET', '?connect=v1&encoding=json&message=%7B%22permission%22%3A%22a%3Ab%22%7D', null],
  ['a question that is none', 'GET', '?connect=v1&encoding=json&message=x', null],
])('an answer forbids caches to store it: %s', async (_, method, query, body) => {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}${CHECK}${query}`, { method, headers, body });
  expect(server.counted).toHaveLength(1);
  expect(response.headers.get('cache-control')).toBe('no-store');
});

// In the words of gRPC, and without a word of the request.
it.each([
  ['too large', 429, 'A message is larger than 4194304 bytes.', {}, Buffer.alloc(4 * 1024 * 1024 + 1, ' ')],
  [
    'compressed',
    501,
    'The compression of the request is not supported: use gzip.',
    { 'content-encoding': 'secret' },
    '{}',
  ],
])('a refused request in JSON gets the reason: %s', async (_, status, message, headers, body) => {
  const sent = { 'content-type': 'application/json', ...headers };
  const response = await fetch(`${url}${CHECK}`, { method: 'POST', headers: sent, body });
  expect([response.status, await response.json()]).toEqual([status, { code: expect.any(String), message }]);
});

it('a call by HTTP/1.1 under way at the stop is the last of its connection', async () => {
  const socket = connect(portOf(url), '127.0.0.1');
  const body = '{"permission":"pending:1"}';
  const head = `POST ${CHECK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`;
  socket.write(`${head}\r\n\r\n${body}`);
  const received = text(socket);
  await until('the question', () => server.asked.length > 0);
  // Far beyond this test's own limit.
  const stopped = server.stop(60_000);
  server.release();
  expect(await received).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n.*"pending:1"/is);
  await stopped;
});

describe('a caller that leaves', () => {
  const answers = async (): Promise<void> => {
    const { status } = await rawCall(url, { pieces: [frame(check('still:here'))] });
    expect(status).toBe('0');
  };

  it.each([
    ['in the middle of its message', '{"permis', true],
    ['in the middle of its answer', '{"permission":"big:3000000"}', false],
  ])('a caller that leaves is not a defect: %s', async (_, body, open) => {
    await withSession(url, async (session) => {
      const stream = send(session, {
        headers: { 'content-type': 'application/json' },
        pieces: [Buffer.from(body)],
        open,
      });
      // Either way the server has taken it up.
      await (open ? new Promise<void>((resolve) => session.ping(() => resolve())) : once(stream, 'response'));
      stream.close(constants.NGHTTP2_CANCEL);
      await once(stream, 'close');
    });
    await until('the call to be counted', () => server.counted.length > 0);
    await answers();
    expect(server.counted).toEqual([open ? 1 : 0, 0]);
    expect(server.defects).toEqual([]);
  });

  it('a caller that leaves in the middle of its message over HTTP/1.1 is counted as such', async () => {
    const head = `POST ${CHECK} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 22\r\n\r\n`;
    const socket = connect(portOf(url), '127.0.0.1').on('error', () => {});
    socket.end(`${head}{"permis`).resume();
    await once(socket, 'close');
    await until('the call to be counted', () => server.counted.length > 0);
    expect(server.counted).toEqual([1]);
    expect(server.defects).toEqual([]);
    await answers();
  });
});

describe('the authority of a call', () => {
  it.each(['[', 'evil.example', 'x:y:z'])('the authority of a call is ignored: "%s"', async (name) => {
    const { status } = await rawCall(url, { headers: { ':authority': name }, pieces: [frame(check('a:b'))] });
    expect(status).toBe('0');
    const socket = connect(portOf(url), '127.0.0.1');
    const head = `POST ${CHECK} HTTP/1.1\r\nhost: ${name}\r\nconnection: close\r\ncontent-type: application/json`;
    socket.write(`${head}\r\ncontent-length: 2\r\n\r\n{}`);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe('a content type', () => {
  it.each([
    'application/json;charset=utf-8',
    'Application/JSON ; Charset="UTF-8"',
    'application/grpc-web+json; charset="utf-8"',
  ])('the content type %s is accepted', async (type) => {
    const message = Buffer.from('{"permission":"a:b"}');
    const body = type.includes('grpc') ? frame(message) : message;
    const answer = await fetch(`${url}${CHECK}`, { method: 'POST', headers: { 'content-type': type }, body });
    expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('"grantedBy":"a:b"')]);
  });

  it.each(['application/json; charset=latin1', 'application/json; charset="', 'application/json; odd=utf-8'])(
    'the content type %s is refused',
    async (type) => {
      const answer = await fetch(`${url}${CHECK}`, { method: 'POST', headers: { 'content-type': type }, body: '{}' });
      expect([answer.status, server.asked]).toEqual([415, []]);
    },
  );
});

it('the name of a compression is read in any case', async () => {
  const body = gzipSync('{"permission":"a:b"}');
  const headers = { 'content-type': 'application/json', 'content-encoding': 'GZip' };
  const answer = await fetch(`${url}${CHECK}`, { method: 'POST', headers, body });
  expect([answer.status, server.asked]).toEqual([200, ['a:b']]);
});

it.each(['message', 'encoding', 'base64', 'compression', 'connect'])(
  'a GET whose query has %s twice is refused: others may read the second one',
  async (name) => {
    const query = new URLSearchParams({ connect: 'v1', encoding: 'json', message: '{"permission":"a:b"}' });
    query.append(name, query.get(name) ?? '');
    query.append(name, query.get(name) ?? '');
    const answer = await fetch(`${url}${CHECK}?${query}`);
    expect([answer.status, server.asked, server.counted]).toEqual([400, [], [3]]);
  },
);

it('a call by PUT is answered with the allowed methods of HTTP', async () => {
  const answer = await fetch(`${url}${CHECK}`, { method: 'PUT', body: '{}' });
  expect([answer.status, answer.headers.get('allow'), await answer.text()]).toEqual([
    405,
    'GET, POST',
    'Call the method by GET or POST.\n',
  ]);
});
