/** Over TLS, the connections that callers leave behind: reset in the middle of a request, or silent before their first one. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { connect } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { callHeaders, END_HEADERS, FRAME, http2Frame, PREFACE } from '../../support/server/frames.ts';
import { CHECK } from '../../support/server/raw-call.ts';
import { GRPC_SERVERS, openServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

const tls = { ...createAuthority('authority').issue('server'), clientCa: null };

const openSockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

const keepalive = { intervalMs: 200, timeoutMs: 100 };

it.each(GRPC_SERVERS)('on the %s address keepalive closes every abandoned TLS socket', async (name) => {
  const server = await openServer(name, { tls, keepalive });
  const before = openSockets();
  const { port } = server;
  // More than the server takes of a call that it has refused.
  const data = Array.from({ length: 5 }, () => http2Frame(FRAME.DATA, 0, 1, Buffer.alloc(14_000)));
  const call = http2Frame(FRAME.HEADERS, END_HEADERS, 1, callHeaders(CHECK, { 'content-type': 'text/plain' }));
  const sent = Buffer.concat([PREFACE, http2Frame(FRAME.SETTINGS, 0, 0), call, ...data]);
  for (let round = 0; round < 10; round += 1) {
    await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
        const gone = new Promise((resolve) => socket.on('error', () => {}).once('close', resolve));
        socket.resume().write(sent);
        setTimeout(() => socket.destroy(), 2 + index);
        await gone;
      }),
    );
  }
  await until('every socket to be closed', () => openSockets() === before);
  await server.stop(100);
});

/** The beginning of a TLS handshake: a record that announces 165 bytes of a ClientHello. */
const HALF_HELLO = Buffer.from('16030100a5010000a10303', 'hex');

const silent = async (port: number): Promise<Socket> => connected(connectTcp(port, '127.0.0.1'));
const halfway = async (port: number): Promise<Socket> => {
  const socket = await silent(port);
  socket.write(HALF_HELLO);
  return socket;
};
const silentAfterHandshake = async (port: number): Promise<Socket> => {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  await once(socket, 'secureConnect');
  return connected(socket);
};
const connected = (socket: Socket): Socket => {
  onTestFinished(() => void socket.destroy());
  return socket.on('error', () => {}).resume();
};

describe.each([
  ['grpc', 'says nothing', silent],
  ['grpc', 'stops within its handshake', halfway],
  ['http', 'says nothing', silent],
  ['http', 'stops within its handshake', halfway],
  ['http', 'says nothing after its handshake', silentAfterHandshake],
] as const)('on the %s address a connection over TLS that %s', (name, _, open) => {
  it('is closed in a bounded time', async () => {
    const server = await openServer(name, { tls, firstBytesMs: 300 });
    await once(await open(server.port), 'close');
    await server.stop(100);
  });
});

it.each([
  ['grpc', 'says nothing', silent],
  ['http', 'says nothing', silent],
  ['http', 'says nothing after its handshake', silentAfterHandshake],
] as const)('on the %s address a connection over TLS that %s does not hold up a stop', async (name, _, open) => {
  await until('the sockets of other tests to be closed', () => openSockets() === 0);
  const server = await openServer(name, { tls });
  await open(server.port);
  // The socket of the caller and the one of the server.
  await until('the server to have the connection', () => openSockets() === 2);
  await server.stop(120_000);
  await until('both sockets to be closed', () => openSockets() === 0);
});

it.each([['http/1.1'], []])(
  'the HTTP server answers HTTP/2 over TLS that ALPN does not name with an error: %s',
  async (...names) => {
    const server = await openServer('http', { tls });
    const protocols = names.length === 0 ? {} : { ALPNProtocols: names };
    const ask = async (bytes: Uint8Array | string): Promise<string> => {
      const socket = connect({ port: server.port, host: '127.0.0.1', rejectUnauthorized: false, ...protocols });
      socket.end(bytes);
      return text(socket);
    };
    expect(await ask(PREFACE)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await ask('GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')).toMatch(/^HTTP\/1\.1 200 /);
    await server.stop(100);
  },
);
