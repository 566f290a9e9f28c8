/** The gRPC door, on @grpc/grpc-js: the service, health and reflection. */
import { fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { AuthService } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import type { Address, Config } from '../config.ts';
import { Code } from '../rpc/errors.ts';
import { formatAddress } from './address.ts';
import { type Dispatcher, type Method, methods, type Outcome } from './dispatch.ts';
import { type Door, MAX_MESSAGE_BYTES, MAX_STREAMS_PER_CONNECTION } from './door.ts';
import { grpcError } from './grpc-error.ts';
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

const encode = (method: Method, message: Message): Buffer => {
  const bytes = toBinary(method.output, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
};

const unaryHandler =
  (dispatcher: Dispatcher, method: Method) =>
  (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
    let headers: Metadata | null = null;
    const answer = (outcome: Outcome): void => {
      if (headers !== null) call.sendMetadata(headers);
      if (outcome.ok) callback(null, encode(method, outcome.response));
      else callback(grpcError(outcome.status));
    };
    const outcome = dispatcher.run(method, {
      header: (name) => call.metadata.get(name)[0]?.toString(),
      setHeader: (name, value) => {
        headers ??= new Metadata();
        headers.set(name, value);
      },
      decode: () => fromBinary(method.input, call.request),
      endedAs: () => {
        if (Number(call.getDeadline()) <= Date.now()) return Code.DEADLINE_EXCEEDED;
        return call.cancelled ? Code.CANCELLED : null;
      },
    });
    // grpc-js answers DEADLINE_EXCEEDED itself when a deadline passes and drops what comes after it.
    if (outcome instanceof Promise) void outcome.then(answer);
    else answer(outcome);
  };

const credentials = (tls: Config['tls']): ServerCredentials =>
  tls === null
    ? ServerCredentials.createInsecure()
    : ServerCredentials.createSsl(
        tls.clientCa === null ? null : Buffer.from(tls.clientCa),
        [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
        tls.clientCa !== null,
      );

export interface GrpcDoorOptions {
  readonly address: Address;
  readonly tls: Config['tls'];
  readonly dispatcher: Dispatcher;
}

/** Creates the door; nothing listens before {@link Door.listen}. */
export const createGrpcDoor = ({ address, tls, dispatcher }: GrpcDoorOptions): Door => {
  const server = new Server({
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_concurrent_streams': MAX_STREAMS_PER_CONNECTION,
    // Finds peers that vanished without a word, so that their connections do not pile up.
    'grpc.keepalive_time_ms': 60_000,
    'grpc.keepalive_timeout_ms': 20_000,
    'grpc.enable_channelz': 0,
  });
  const implementation: UntypedServiceImplementation = Object.fromEntries(
    methods.map((method) => [method.localName, unaryHandler(dispatcher, method)]),
  );
  server.addService(definition, implementation);
  // Health is open to whoever reaches the port: it is asked by orchestrators and says nothing of people.
  const health = new HealthImplementation({ '': 'NOT_SERVING', [AuthService.typeName]: 'NOT_SERVING' });
  health.addToServer(server);
  addReflection(server, dispatcher);

  return {
    listen: async () => {
      const port = await new Promise<number>((resolve, reject) => {
        server.bindAsync(formatAddress(address), credentials(tls), (error, bound) => {
          if (error === null) resolve(bound);
          else reject(error);
        });
      });
      return formatAddress(address, port);
    },
    setServing: (serving) => {
      for (const service of ['', AuthService.typeName]) health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
    },
    stop: (timeoutMs) =>
      new Promise((resolve) => {
        const timer = setTimeout(() => server.forceShutdown(), timeoutMs);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
};
