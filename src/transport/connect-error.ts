/** Errors as connect sends them, in whichever of its protocols. */
import { createRegistry } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { type Code, ConnectError } from '@connectrpc/connect';
import { file_google_rpc_error_details } from '../../gen/google/rpc/error_details_pb.ts';
import type { ErrorStatus } from '../rpc/errors.ts';

const registry = createRegistry(file_google_rpc_error_details);

/** With its details as messages, which JSON then shows readable beside their bytes. */
export const connectError = ({ code, message, details }: ErrorStatus): ConnectError => {
  const error = new ConnectError(message, code as Code);
  for (const detail of details) {
    const value = anyUnpack(detail, registry);
    const desc = value === undefined ? undefined : registry.getMessage(value.$typeName);
    if (value !== undefined && desc !== undefined) error.details.push({ desc, value });
  }
  return error;
};
