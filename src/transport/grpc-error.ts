import { create, toBinary } from '@bufbuild/protobuf';
import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { ErrorStatus } from '../rpc/errors.ts';

/** An error as grpc-js sends it, with its details in `grpc-status-details-bin`. */
export const grpcError = ({ code, message, details }: ErrorStatus): StatusObject => {
  const metadata = new Metadata();
  const status = create(StatusSchema, { code, message, details: [...details] });
  metadata.set('grpc-status-details-bin', Buffer.from(toBinary(StatusSchema, status)));
  return { code, details: message, metadata };
};
