/** Over TLS, what a caller leaves behind that resets its connection in the middle of what it sends. */
import { connect } from 'node:tls';
import { it } from 'vitest';
import { createAuthority } from '../../../tools/network/certificates.ts';
import { callHeaders, END_HEADERS, FRAME, http2Frame, PREFACE } from '../../support/server/frames.ts';
import { CHECK } from '../../support/server/raw-call.ts';
import { GRPC_SERVERS, openServer } from '../../support/server/test-server.ts';
import { until } from '../../support/until.ts';

const tls = { ...createAuthority('authority').issue('server'), clientCa: null };

const openSockets = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

const keepalive = { intervalMs: 200, timeoutMs: 100 };

it.each(GRPC_SERVERS)('on the %s address keepalive finds every socket that is left behind', async (name) => {
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
