/** The metrics: one scrape for everyone who asks, on a separate address where one is configured. */
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { parsedRequests } from '../../support/server/parsed-requests.ts';
import { openServer, type TestServer, type TestServerOptions } from '../../support/server/test-server.ts';

const GET = 'GET /metrics HTTP/1.1\r\nhost: server\r\n\r\n';
const STATUS = /HTTP\/1\.1 (\d+) /g;

const open = async (name: 'http' | 'metrics', options: TestServerOptions = {}): Promise<TestServer> => {
  const server = await openServer(name, options);
  onTestFinished(() => server.stop(0));
  return server;
};
/** All that comes back on one connection until the server ends it. */
const say = (server: TestServer, bytes: string): Promise<string> => {
  const socket = connect(server.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.write(bytes);
  return text(socket);
};
const statuses = (answers: string): readonly (string | undefined)[] =>
  [...answers.matchAll(STATUS)].map(([, status]) => status);
const paths = async (server: TestServer, ...names: readonly string[]) =>
  Promise.all(names.map(async (name) => (await fetch(`http://${server.address}${name}`)).status));

it.each(['http', 'metrics'] as const)(
  'pipelined requests for the metrics of the %s server cost one scrape, and end their connection',
  async (name) => {
    let scrapes = 0;
    const metrics = async () => {
      scrapes += 1;
      return { text: 'up 1\n', contentType: 'text/plain' };
    };
    const server = await open(name, { metrics });
    const parsed = parsedRequests();
    const answers = await say(server, GET.repeat(1_500));
    expect(statuses(answers)).toEqual(['200', '429']);
    expect(answers).toContain('one request at a time');
    expect([scrapes, parsed()]).toEqual([1, 2]);
  },
);

it('a connection that asks for more than twenty metrics in a second ends with an answer', async () => {
  const server = await open('http');
  const socket = connect(server.port, '127.0.0.1');
  const answers: string[] = [];
  socket.on('data', (piece: Buffer) => {
    answers.push(piece.toString());
    socket.write(GET);
  });
  socket.write(GET);
  await new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
  expect(answers.length).toBeGreaterThanOrEqual(20);
  expect(answers.slice(0, 19).join('')).not.toContain('connection: close');
  expect(answers.at(-1)).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n/is);
});

it('metrics on a separate address stand beside the probes, without calls and without TLS', async () => {
  const tls = { ...createAuthority('authority').issue('server'), clientCa: null };
  const server = await open('metrics', { tls });
  expect(await paths(server, '/metrics', '/livez', '/readyz')).toEqual([200, 200, 503]);
  server.setServing(true);
  expect(await paths(server, '/readyz')).toEqual([200]);
  const call = await fetch(`http://${server.address}/assent.auth.v1.AuthService/CheckPermission`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect(call.status).toBe(404);
});

it('the address of the metrics speaks no HTTP/2', async () => {
  const server = await open('metrics');
  const session = connectHttp2(`http://${server.address}`);
  const error = await new Promise((resolve) => session.once('error', resolve));
  expect(error).toMatchObject({ code: 'ERR_HTTP2_ERROR' });
  expect(await paths(server, '/livez')).toEqual([200]);
});

it('the HTTP server has no metrics where they have a separate address, and says so', async () => {
  const { address } = await open('metrics');
  const server = await open('http', { metricsAddress: { kind: 'tcp', host: '127.0.0.1', port: 0 } });
  expect(await paths(server, '/metrics', '/livez', '/readyz')).toEqual([404, 200, 503]);
  expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/^ASSENT_METRICS_ADDRESS is set: /);
  expect(address).not.toBe(server.address);
});
