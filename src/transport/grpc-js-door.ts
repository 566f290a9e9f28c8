/** The gRPC door `grpc-js`, on @grpc/grpc-js: the service, health and reflection. The default one is in `lean/`. */
import type { Http2Server } from 'node:http2';
import {
  logVerbosity,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  setLogVerbosity,
} from '@grpc/grpc-js';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { Config } from '../config.ts';
import { formatAddress } from './address.ts';
import { isBeyondTimers, parseTimeout } from './deadline.ts';
import { type Method, methods } from './dispatch.ts';
import {
  type Door,
  type DoorOptions,
  HTTP2_RESETS,
  MAX_HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  MAX_STREAMS_PER_CONNECTION,
} from './door.ts';
import { createHealth } from './grpc-health.ts';
import { serveUnary } from './grpc-js-unary.ts';
import { addReflection } from './grpc-reflection.ts';

// Decoding and encoding are the dispatcher's: grpc-js would make INTERNAL of a request that cannot be decoded.
const asIs = (bytes: Buffer): Buffer => bytes;

const definition: ServiceDefinition = Object.fromEntries(
  methods.map((method) => [
    method.localName,
    {
      path: `/${AuthService.typeName}/${method.name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  ]),
);

const byPath: ReadonlyMap<string, Method> = new Map(
  methods.map((method) => [`/${AuthService.typeName}/${method.name}`, method]),
);

const credentials = (tls: Config['tls']): ServerCredentials =>
  tls === null
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(
        tls.clientCa === null ? null : Buffer.from(tls.clientCa),
        [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
        tls.clientCa !== null,
      );

/**
 * Bounds the headers of a request, and resets as at the other doors. grpc-js has no options for it and gives its own to
 * every server that it makes, so they are reached for; the contract of the doors fails where another version keeps them
 * elsewhere.
 */
const limit = (server: Server): void => {
  const options: unknown = Reflect.get(server, 'commonServerOptions');
  if (typeof options !== 'object' || options === null) throw new Error('grpc-js keeps its HTTP/2 options elsewhere');
  const settings: unknown = Reflect.get(options, 'settings');
  Object.assign(options, {
    ...HTTP2_RESETS,
    settings: { ...(settings as object | undefined), maxHeaderListSize: MAX_HEADER_BYTES },
  });
};

/**
 * Reads deadlines before grpc-js does. It takes any text with a number and a unit in it, and makes 32 bits of the result: of
 * 25 days a time that has passed. Its HTTP/2 servers, too, are reached for.
 */
const readDeadlinesFirst = (server: Server): void => {
  const servers: unknown = Reflect.get(server, 'http2Servers');
  if (!(servers instanceof Map)) throw new Error('grpc-js keeps its HTTP/2 servers elsewhere');
  for (const http2 of servers.keys() as Iterable<Http2Server>) {
    http2.prependListener('stream', (_stream, headers) => {
      const text = headers['grpc-timeout'];
      if (text === undefined) return;
      const ms = parseTimeout(String(text));
      if (ms === null) headers['grpc-timeout'] = 'malformed';
      else if (isBeyondTimers(ms)) delete headers['grpc-timeout'];
    });
  }
};

/** Creates the door; nothing listens before {@link Door.listen}. */
export const createGrpcJsDoor = ({ address, tls, dispatcher, keepalive }: DoorOptions): Door => {
  const interceptor: ServerInterceptor = ({ path }, call) => {
    const method = byPath.get(path);
    return method === undefined ? new ServerInterceptingCall(call) : serveUnary(dispatcher, method, call);
  };
  // It writes headers that it cannot take to stderr, with what is in them: a token of anybody who reaches the port.
  setLogVerbosity(logVerbosity.NONE);
  const server = new Server({
    interceptors: [interceptor],
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    'grpc.keepalive_time_ms': keepalive.intervalMs,
    'grpc.keepalive_timeout_ms': keepalive.timeoutMs,
    'grpc.enable_channelz': 0,
  });
  limit(server);
  // Without handlers: the interceptor answers, and what it left would be UNIMPLEMENTED.
  server.addService(definition, {});
  const health = createHealth();
  health.addToServer(server);
  addReflection(server, dispatcher);

  let listeningOn = '';
  return {
    listen: async () => {
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(formatAddress(address), credentials(tls), (error, bound) => {
          if (error !== null) {
            reject(error);
            return;
          }
          readDeadlinesFirst(server);
          resolve(bound);
        });
      });
      listeningOn = formatAddress(address, port);
      return listeningOn;
    },
    setServing: health.setServing,
    stop: async (timeoutMs) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      // Without channelz grpc-js does not know the connections that its forceShutdown is to end; drain does.
      server.drain(listeningOn, timeoutMs);
      const timer = setTimeout(resolve, timeoutMs);
      server.tryShutdown(() => resolve());
      await promise;
      clearTimeout(timer);
    },
  };
};
