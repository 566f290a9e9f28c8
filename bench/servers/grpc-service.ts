/** Bare grpc-js servers with Assent's CheckPermission and Assent's limits. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import {
  AuthService,
  type CheckPermissionRequest,
  CheckPermissionRequestSchema,
  type CheckPermissionResponse,
  CheckPermissionResponseSchema,
} from '../../gen/assent/auth/v1/auth_service_pb.ts';

/** Serves CheckPermission with this handler on a free port and prints where. */
export const serve = (handler: handleUnaryCall<CheckPermissionRequest, CheckPermissionResponse>): void => {
  const server = new Server({ 'grpc.enable_channelz': 0 });
  const encode = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  server.addService(
    {
      checkPermission: {
        path: `/${AuthService.typeName}/CheckPermission`,
        requestStream: false,
        responseStream: false,
        requestSerialize: (message: CheckPermissionRequest) => encode(toBinary(CheckPermissionRequestSchema, message)),
        requestDeserialize: (bytes: Buffer) => fromBinary(CheckPermissionRequestSchema, bytes),
        responseSerialize: (message: CheckPermissionResponse) =>
          encode(toBinary(CheckPermissionResponseSchema, message)),
        responseDeserialize: (bytes: Buffer) => fromBinary(CheckPermissionResponseSchema, bytes),
      },
    },
    { checkPermission: handler },
  );
  server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
    if (error !== null) throw error;
    process.stdout.write(`listening 127.0.0.1:${port}\n`);
  });
};
