/** Requests from their bytes: the one place where every protocol decodes, so that a guard before decoding stands once. */
import { type DescMessage, fromBinary, fromJsonString, type JsonValue, type Message } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { BatchCheckPermissionsRequestSchema as Batch } from '../../gen/assent/auth/v1/auth_service_pb.ts';
import { AssentError, invalidArgument, undecodable } from '../errors.ts';
import { MAX_CHECKS, refuseCount } from './batch-check-permissions.ts';

/** Unknown fields are dropped: 4 MiB of them take 0.6 to 2 s to keep and 0.1 s to skip. */
const BINARY_OPTIONS = { readUnknownFields: false };

/** A misspelt `organizationId` must not be ignored: the check would be about the token's active organization. */
const JSON_OPTIONS = { ignoreUnknownFields: false };

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes a request from protobuf's binary form. A batch of too many checks is refused before it is decoded: 4 MiB hold two
 * million empty ones, which take one to two seconds to decode.
 * @throws {AssentError} for such a batch; another error when the bytes are no such message.
 */
export function decodeBinary(schema: DescMessage, bytes: Uint8Array): Message {
  if (schema === Batch) refuseCount(occurrences(bytes, Batch.field.checks.number, MAX_CHECKS + 1));
  return fromBinary(schema, bytes, BINARY_OPTIONS);
}

/**
 * Decodes a request from protobuf's JSON form. A batch of too many checks is refused before it becomes messages.
 * @throws {AssentError} INVALID_ARGUMENT, with the field's name where it is known and never with its value.
 */
export function decodeJson(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    const text = UTF8.decode(bytes);
    if (schema === Batch) refuseCount(elements(JSON.parse(text), Batch.field.checks.jsonName) ?? 1);
    // From the text and not from its value: protobuf-es then finds a key that stands twice, which JSON.parse merges.
    return fromJsonString(schema, text, JSON_OPTIONS);
  } catch (error) {
    if (error instanceof AssentError) throw error;
    throw (error instanceof Error ? jsonProblem(error.message) : null) ?? undecodable(error);
  }
}

/** How often a field occurs in an encoded message, counted up to a bound. */
function occurrences(bytes: Uint8Array, field: number, upTo: number): number {
  const reader = new BinaryReader(bytes);
  let count = 0;
  while (reader.pos < reader.len && count < upTo) {
    const [number, wireType] = reader.tag();
    reader.skip(wireType, number);
    if (number === field) count += 1;
  }
  return count;
}

/** The length of a list in a JSON object; null when there is no such list. */
function elements(json: JsonValue, name: string): number | null {
  if (json === null || typeof json !== 'object' || Array.isArray(json)) return null;
  const value = json[name];
  return Array.isArray(value) ? value.length : null;
}

/** The field that an error of protobuf-es about JSON names, and the problem without the value. */
function jsonProblem(message: string): AssentError | null {
  const field = /^cannot decode field [\w.]+\.(\w+) from JSON: ([^,]*)/.exec(message);
  if (field !== null) return invalidArgument(field[1] ?? '', `is not valid: ${field[2]}.`);
  const oneof = /^cannot decode oneof [\w.]+\.(\w+) from JSON: oneof set multiple times by (\w+ and \w+)$/.exec(
    message,
  );
  if (oneof !== null) return invalidArgument(oneof[1] ?? '', `set only one of ${oneof[2]}.`);
  const unknown = /^cannot decode message [\w.]+ from JSON: key "(\w{1,64})" is unknown$/.exec(message);
  return unknown === null ? null : invalidArgument(unknown[1] ?? '', 'is not a field of this message.');
}
