/** `grpc-status-details-bin`: the status with its details, as a message. */
import { create, toBinary } from '@bufbuild/protobuf';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import type { ErrorStatus } from '../rpc/errors.ts';

/** Encodes a status as google.rpc.Status. */
export const encodeStatus = ({ code, message, details }: ErrorStatus): Buffer =>
  Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, message, details: [...details] })));
