import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { AuthService } from '../../../gen/assent/auth/v1/auth_service_pb.ts';
import { type Answer, codeName, decode, encode, ok, type ProtocolClient, statusDetails } from './client.ts';

/** gRPC, by grpc-js. */
export const grpcClient = (address: string, channel = credentials.createInsecure()): ProtocolClient => {
  const client = new Client(address, channel, {
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': -1,
    // What the tests' certificates name; an address is no server name. Without TLS it means nothing.
    'grpc.ssl_target_name_override': 'localhost',
    // Tests of outages wait for a connection to be made again.
    'grpc.initial_reconnect_backoff_ms': 50,
    'grpc.max_reconnect_backoff_ms': 200,
  });
  const send: ProtocolClient['send'] = (name, request, { metadata = {}, timeoutMs = 10_000, signal } = {}) =>
    new Promise((resolve) => {
      const sent = new Metadata();
      for (const [key, value] of Object.entries(metadata)) sent.set(key, value);
      let received = new Metadata();
      const header: Answer['header'] = (key) => received.get(key)[0]?.toString() ?? null;
      const asIs = (bytes: Buffer): Buffer => bytes;
      const answered = (error: ServiceError | null, bytes?: Buffer): void => {
        if (error === null) resolve(ok(decode(name, bytes ?? Buffer.alloc(0)), header));
        else {
          const [status] = error.metadata.get('grpc-status-details-bin');
          const details = statusDetails(Buffer.isBuffer(status) ? status : undefined);
          // grpc-js decodes only in part what connect encodes in full.
          const message = error.details.replace(/%[0-9A-F]{2}/g, decodeURIComponent);
          resolve({ code: codeName(error.code), message, details, response: null, header });
        }
      };
      const call = client
        .makeUnaryRequest(
          `/${AuthService.typeName}/${name}`,
          asIs,
          asIs,
          Buffer.from(request),
          sent,
          { deadline: Date.now() + timeoutMs },
          answered,
        )
        .on('metadata', (came) => {
          received = came;
        });
      signal?.addEventListener('abort', () => call.cancel(), { once: true });
    });
  return {
    call: (name, request, options) => send(name, encode(name, request), options),
    send,
    close: () => client.close(),
  };
};
