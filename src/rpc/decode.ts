/** Requests from their bytes. */
import { type DescMessage, fromBinary, type Message } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { BatchCheckPermissionsRequestSchema as Batch } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { MAX_CHECKS, refuseCount } from './batch-check-permissions.ts';

/** Unknown fields are let go: nobody reads them, and 4 MiB of them took 0.6 to 2 s to keep and 0.1 s to skip. */
export const BINARY_OPTIONS = { readUnknownFields: false };

/** How often a field occurs in an encoded message, counted no further than is asked for. */
const occurrences = (bytes: Uint8Array, field: number, upTo: number): number => {
  const reader = new BinaryReader(bytes);
  let count = 0;
  while (reader.pos < reader.len && count < upTo) {
    const [number, wireType] = reader.tag();
    reader.skip(wireType, number);
    if (number === field) count += 1;
  }
  return count;
};

/**
 * Decodes a request. A batch of too many checks is refused before: 4 MiB hold two million empty ones, which take one to two
 * seconds to decode.
 * @throws {AssentError} for such a batch; anything else when the bytes are no such message.
 */
export const decodeRequest = (schema: DescMessage, bytes: Uint8Array): Message => {
  if (schema === Batch) refuseCount(occurrences(bytes, Batch.field.checks.number, MAX_CHECKS + 1));
  return fromBinary(schema, bytes, BINARY_OPTIONS);
};
