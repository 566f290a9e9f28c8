import { Metadata, type StatusObject } from '@grpc/grpc-js';
import type { ErrorStatus } from '../rpc/errors.ts';
import { encodeStatus } from './status-details.ts';

/** An error as grpc-js sends it, with its details in `grpc-status-details-bin`. */
export const grpcError = (status: ErrorStatus): StatusObject => {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', encodeStatus(status));
  return { code: status.code, details: status.message, metadata };
};
