/**
 * The gRPC door on node:http2 alone: what grpc-js does for unary calls, without its cost. Health and reflection are the
 * same implementations as at the other door.
 */
import { createSecureServer, createServer, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { status as Code } from '@grpc/grpc-js';
import { AuthService } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { formatAddress } from '../address.ts';
import { methods } from '../dispatch.ts';
import { clientCertificates, type Door, type DoorOptions, HTTP2_OPTIONS } from '../door.ts';
import { createHealth } from '../grpc-health.ts';
import { addReflection } from '../grpc-reflection.ts';
import { keepAlive } from '../keepalive.ts';
import { rememberSockets } from '../secure-sockets.ts';
import { Exchange, type ExchangeObserver } from './exchange.ts';
import { createGuestServices } from './guest-services.ts';
import { isGrpc } from './request-headers.ts';
import type { Serve } from './serve.ts';
import { RefusedCall } from './status.ts';
import { serveUnary } from './unary.ts';

const UNSUPPORTED_MEDIA_TYPE = 415;

const serverOf = (tls: DoorOptions['tls']): ReturnType<typeof createServer | typeof createSecureServer> => {
  if (tls === null) return createServer(HTTP2_OPTIONS);
  const { cert, key, clientCa } = tls;
  return createSecureServer({ ...HTTP2_OPTIONS, cert, key, ...clientCertificates(clientCa) });
};

/** Serves what is no call of a method that there is. */
const serveOther =
  (observer: ExchangeObserver): Serve =>
  (stream, headers) => {
    const exchange = new Exchange(stream, headers, observer);
    if (!isGrpc(headers['content-type'])) exchange.refuseHttp(UNSUPPORTED_MEDIA_TYPE);
    else exchange.fail(new RefusedCall(Code.UNIMPLEMENTED, 'There is no such method.'));
  };

/** Creates the door; nothing listens before {@link Door.listen}. */
export const createLeanDoor = ({ address, tls, dispatcher, keepalive }: DoorOptions): Door => {
  const health = createHealth();
  // Only the service's own calls are counted.
  const observer: ExchangeObserver = { onRefused: () => {}, onDefect: dispatcher.onDefect };
  const guests = createGuestServices(observer);
  health.addToServer(guests);
  addReflection(guests, dispatcher);
  const paths = new Map<string | undefined, Serve>([
    ...guests.paths,
    ...methods.map((method) => [`/${AuthService.typeName}/${method.name}`, serveUnary(dispatcher, method)] as const),
  ]);

  const other = serveOther(observer);

  const server = serverOf(tls);
  rememberSockets(server);
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  const stopKeepAlive = keepAlive(sessions, keepalive);
  server.on('session', (session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.on('stream', (stream, headers) => {
    const known = headers[':method'] === 'POST' && isGrpc(headers['content-type']);
    const serve = known ? paths.get(headers[':path']) : undefined;
    (serve ?? other)(stream, headers);
  });

  return {
    listen: async () => {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        const listening = (): void => {
          server.off('error', reject);
          resolve();
        };
        if (address.kind === 'unix') server.listen(address.path, listening);
        else server.listen(address.port, address.host, listening);
      });
      const bound = server.address();
      return formatAddress(address, typeof bound === 'object' && bound !== null ? bound.port : undefined);
    },
    setServing: health.setServing,
    stop: async (timeoutMs) => {
      // Sends GOAWAY to all sessions: calls under way finish, no new ones begin.
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      guests.end();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, timeoutMs);
      await closed;
      clearTimeout(timer);
      stopKeepAlive();
    },
  };
};
